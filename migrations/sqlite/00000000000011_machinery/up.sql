-- What operators see: the supervision log, which outlives the process, and rows that crashed their worker.
CREATE TABLE supervision_event (
    id TEXT PRIMARY KEY,
    at TIMESTAMP NOT NULL,
    kind TEXT NOT NULL,
    child TEXT NOT NULL,
    epoch BIGINT NOT NULL,
    detail TEXT NOT NULL,
    backoff_ms BIGINT NOT NULL,
    task TEXT NOT NULL,
    by_whom TEXT NOT NULL
);
CREATE INDEX supervision_event_by_time ON supervision_event (at, id);
CREATE INDEX supervision_event_by_kind ON supervision_event (kind, at, id);
CREATE INDEX supervision_event_by_child ON supervision_event (child, at, id);
CREATE TABLE trouble (
    task TEXT PRIMARY KEY,
    child TEXT NOT NULL,
    state TEXT NOT NULL,
    crashes INTEGER NOT NULL,
    failure TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    seen TEXT NOT NULL
);
CREATE INDEX trouble_by_state ON trouble (state, at, task);
-- Where a notice went, as a keyed hash: what became of it is told of that address alone.
ALTER TABLE notice ADD COLUMN to_key TEXT;
-- What waits, and nothing else: a look at the queues costs what waits in them.
CREATE INDEX notice_waiting ON notice (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX attempt_waiting ON attempt (query_at, id) WHERE query_at IS NOT NULL;
CREATE INDEX refund_waiting ON refund (look_at, id) WHERE look_at IS NOT NULL;
CREATE INDEX material_waiting ON material (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX certificate_waiting ON certificate (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX verification_waiting ON verification (look_at, id) WHERE look_at IS NOT NULL;
CREATE INDEX application_waiting ON application (look_at, id) WHERE look_at IS NOT NULL;
