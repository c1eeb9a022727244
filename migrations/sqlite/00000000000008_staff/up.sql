-- The audit log is a chain: each entry's hash holds the one before; what was written stays.
ALTER TABLE audit ADD COLUMN seq BIGINT;
ALTER TABLE audit ADD COLUMN hash TEXT;
CREATE UNIQUE INDEX audit_chain ON audit (seq);
-- Numbers and plots count what happened, by kind and time.
CREATE INDEX timeline_by_kind ON timeline (kind, at, application_id);
-- Staff: who was invited, who left, codes for a lost second factor, log-ins that were confirmed lately.
ALTER TABLE staff ADD COLUMN left_at TIMESTAMP;
ALTER TABLE session ADD COLUMN confirmed_at TIMESTAMP;
CREATE TABLE invitation (
    token_hash TEXT PRIMARY KEY,
    user_name TEXT NOT NULL,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    expires_at TIMESTAMP NOT NULL,
    totp BLOB NOT NULL
);
CREATE INDEX invitation_expiry ON invitation (expires_at);
CREATE TABLE recovery_code (
    code_hash TEXT PRIMARY KEY,
    staff_id TEXT NOT NULL REFERENCES staff (id)
);
CREATE INDEX recovery_code_by_staff ON recovery_code (staff_id);
CREATE TRIGGER audit_final_update BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is final'); END;
CREATE TRIGGER audit_final_delete BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'the audit log is final'); END;
