-- Reconciliation: each clearing day once, what its file confirms, and in what file and ledger differ.
CREATE TABLE clearing_day (
    day DATE PRIMARY KEY,
    fetched_at TIMESTAMP NOT NULL,
    lines INTEGER NOT NULL,
    matched INTEGER NOT NULL
);
CREATE TABLE cleared (
    movement_key TEXT PRIMARY KEY REFERENCES movement (key),
    day DATE NOT NULL REFERENCES clearing_day (day)
);
CREATE TABLE discrepancy (
    id TEXT PRIMARY KEY,
    day DATE NOT NULL REFERENCES clearing_day (day),
    kind TEXT NOT NULL,
    order_id TEXT NOT NULL,
    here BIGINT,
    there BIGINT,
    opened_at TIMESTAMP NOT NULL,
    owner TEXT,
    proposed_by TEXT,
    resolution TEXT,
    confirmed_by TEXT,
    resolved_at TIMESTAMP,
    CHECK (confirmed_by IS NULL OR confirmed_by <> proposed_by)
);
CREATE INDEX discrepancy_by_age ON discrepancy (resolved_at, opened_at, id);
CREATE UNIQUE INDEX discrepancy_once ON discrepancy (day, kind, order_id);
