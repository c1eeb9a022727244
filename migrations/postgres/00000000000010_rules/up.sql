-- What administrators set: versions of the table of materials, and single values.
CREATE TABLE material_table (
    version BIGINT PRIMARY KEY,
    made_at TIMESTAMP NOT NULL,
    made_by TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE setting (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
-- Each submitted case as it stood after each change, sealed.
CREATE TABLE past (
    application_id TEXT NOT NULL,
    version BIGINT NOT NULL,
    at TIMESTAMP NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (application_id, version)
);
CREATE INDEX past_by_time ON past (application_id, at, version);
-- What became of a notice after it was sent: receipts, and when to ask for one that does not come.
ALTER TABLE notice ADD COLUMN remote TEXT;
ALTER TABLE notice ADD COLUMN sent_at TIMESTAMP;
ALTER TABLE notice ADD COLUMN look_at TIMESTAMP;
CREATE INDEX notice_look ON notice (look_at, id);
