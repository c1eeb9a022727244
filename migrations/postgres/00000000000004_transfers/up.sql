-- Bank transfers of refunds that the card can't take any more (R5.3): made by one, released by another.
CREATE TABLE transfer_batch (
    id TEXT PRIMARY KEY,
    made_at TIMESTAMP NOT NULL,
    made_by TEXT NOT NULL,
    -- The file for the bank, sealed, and its hash: what is released is what was seen.
    file BYTEA,
    hash TEXT,
    released_at TIMESTAMP,
    released_by TEXT,
    CHECK (released_by IS NULL OR (released_by <> made_by AND file IS NOT NULL))
);
CREATE INDEX transfer_batch_by_time ON transfer_batch (made_at, id);
ALTER TABLE refund ADD COLUMN batch_id TEXT REFERENCES transfer_batch (id);
ALTER TABLE refund ADD COLUMN by_bank BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX refund_by_batch ON refund (batch_id, state, id);
CREATE INDEX attempt_by_state ON attempt (state);
