-- A phone that may send images into one slot for ten minutes: whichever opens the code first.
CREATE TABLE phone (
    token_hash TEXT PRIMARY KEY,
    applicant_id TEXT NOT NULL,
    application_id TEXT NOT NULL,
    slot TEXT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    opened_by TEXT
);
CREATE INDEX phone_expiry ON phone (expires_at);
