-- Documents that prove themselves: their standing and file in columns of their own, the transparency log, links that a
-- holder shares.
ALTER TABLE certificate ADD COLUMN standing TEXT NOT NULL DEFAULT 'valid';
ALTER TABLE certificate ADD COLUMN document TEXT;
UPDATE certificate SET standing = body::json ->> 'standing', document = body::json ->> 'document';
CREATE INDEX certificate_by_document ON certificate (document) WHERE document IS NOT NULL;
CREATE INDEX certificate_not_valid ON certificate (number) WHERE standing <> 'valid';
-- Entries are numbered from 0 on, as RFC 6962 numbers leaves; nothing is ever changed or deleted.
CREATE TABLE log_entry (
    seq BIGINT PRIMARY KEY,
    hash TEXT NOT NULL CONSTRAINT log_entry_hash_unique UNIQUE,
    kind TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE UNIQUE INDEX log_entry_by_certificate ON log_entry (certificate_id, kind);
-- The hash over 2^level entries from place * 2^level on.
CREATE TABLE log_node (
    level INTEGER NOT NULL,
    place BIGINT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (level, place)
);
CREATE TABLE log_head (
    size BIGINT PRIMARY KEY,
    at TIMESTAMP NOT NULL,
    root TEXT NOT NULL,
    signature TEXT NOT NULL
);
CREATE TABLE share (
    id TEXT PRIMARY KEY,
    token_hash TEXT NOT NULL CONSTRAINT share_token_unique UNIQUE,
    applicant_id TEXT NOT NULL,
    certificate_id TEXT NOT NULL,
    body BYTEA NOT NULL,
    made_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    ended_at TIMESTAMP
);
CREATE INDEX share_by_certificate ON share (certificate_id, id);
CREATE INDEX share_expiry ON share (expires_at);
CREATE TABLE share_look (
    id TEXT PRIMARY KEY,
    share_id TEXT NOT NULL REFERENCES share (id),
    at TIMESTAMP NOT NULL,
    body BYTEA NOT NULL
);
CREATE INDEX share_look_by_share ON share_look (share_id, id);
CREATE FUNCTION log_stays() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the log is append-only'; END $$;
CREATE TRIGGER log_entry_stays BEFORE UPDATE OR DELETE ON log_entry FOR EACH ROW EXECUTE FUNCTION log_stays();
CREATE TRIGGER log_entry_stays_whole BEFORE TRUNCATE ON log_entry FOR EACH STATEMENT EXECUTE FUNCTION log_stays();
CREATE TRIGGER log_head_stays BEFORE UPDATE OR DELETE ON log_head FOR EACH ROW EXECUTE FUNCTION log_stays();
CREATE TRIGGER log_head_stays_whole BEFORE TRUNCATE ON log_head FOR EACH STATEMENT EXECUTE FUNCTION log_stays();
