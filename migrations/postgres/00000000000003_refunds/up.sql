-- Money on its way back (R5). Bank details are in the sealed body.
CREATE TABLE refund (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES application (id),
    applicant_id TEXT NOT NULL,
    attempt_id TEXT NOT NULL,
    order_id TEXT,
    state TEXT NOT NULL,
    asked_at TIMESTAMP NOT NULL,
    look_at TIMESTAMP,
    body BYTEA NOT NULL
);
CREATE INDEX refund_by_applicant ON refund (applicant_id, id);
CREATE INDEX refund_by_application ON refund (application_id);
CREATE INDEX refund_by_state ON refund (state, asked_at, id);
CREATE INDEX refund_by_order ON refund (order_id);
CREATE INDEX refund_due ON refund (look_at, id);
-- R5.5: beside one that is not refused there is never a second refund of a payment.
CREATE UNIQUE INDEX refund_once ON refund (attempt_id) WHERE state <> 'refused';

-- Each movement as its two entries, which sum to zero because they are one row.
CREATE VIEW ledger_entry AS
SELECT key, application_id, at, from_account AS account, -amount AS amount FROM movement
UNION ALL
SELECT key, application_id, at, to_account AS account, amount FROM movement;
CREATE INDEX movement_by_time ON movement (at, key);
