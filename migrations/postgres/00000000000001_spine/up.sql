-- The spine: applicants and what belongs to them, work queues, money, staff.
-- `body` columns are sealed (XChaCha20-Poly1305); `*_key` columns are keyed hashes for look-ups.

CREATE TABLE applicant (
    id TEXT PRIMARY KEY,
    version BIGINT NOT NULL,
    user_name TEXT NOT NULL CONSTRAINT applicant_user_name_unique UNIQUE,
    document_key TEXT NOT NULL CONSTRAINT applicant_document_unique UNIQUE,
    phone_key TEXT NOT NULL CONSTRAINT applicant_phone_unique UNIQUE,
    email_key TEXT NOT NULL CONSTRAINT applicant_email_unique UNIQUE,
    password_hash TEXT NOT NULL,
    body BYTEA NOT NULL
);

CREATE TABLE application (
    id TEXT PRIMARY KEY,
    applicant_id TEXT NOT NULL REFERENCES applicant (id),
    number TEXT CONSTRAINT application_number_unique UNIQUE,
    stage TEXT NOT NULL,
    kind TEXT,
    country TEXT,
    since_at TIMESTAMP NOT NULL,
    body BYTEA NOT NULL
);
CREATE INDEX application_by_applicant ON application (applicant_id, id);
CREATE INDEX application_queue ON application (stage, since_at, id);

CREATE TABLE verification (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES application (id) ON DELETE CASCADE,
    applicant_id TEXT NOT NULL,
    look_at TIMESTAMP,
    body BYTEA NOT NULL
);
CREATE INDEX verification_by_applicant ON verification (applicant_id, id);
CREATE INDEX verification_by_application ON verification (application_id);
CREATE INDEX verification_due ON verification (look_at);

CREATE TABLE material (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES application (id) ON DELETE CASCADE,
    applicant_id TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at TIMESTAMP,
    crashes INTEGER NOT NULL DEFAULT 0,
    body BYTEA NOT NULL
);
CREATE INDEX material_by_applicant ON material (applicant_id, id);
CREATE INDEX material_by_application ON material (application_id);
CREATE INDEX material_due ON material (due_at, id);

CREATE TABLE attempt (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES application (id),
    applicant_id TEXT NOT NULL,
    order_id TEXT NOT NULL CONSTRAINT attempt_order_unique UNIQUE,
    state TEXT NOT NULL,
    query_at TIMESTAMP,
    notified_at TIMESTAMP,
    body TEXT NOT NULL
);
CREATE INDEX attempt_by_applicant ON attempt (applicant_id, id);
CREATE INDEX attempt_due ON attempt (query_at);
CREATE INDEX attempt_notified ON attempt (notified_at);
CREATE INDEX attempt_by_application ON attempt (application_id);

CREATE TABLE certificate (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL REFERENCES application (id),
    applicant_id TEXT NOT NULL,
    number TEXT NOT NULL CONSTRAINT certificate_number_unique UNIQUE,
    token TEXT NOT NULL CONSTRAINT certificate_token_unique UNIQUE,
    name_key TEXT NOT NULL,
    due_at TIMESTAMP,
    crashes INTEGER NOT NULL DEFAULT 0,
    body TEXT NOT NULL
);
CREATE INDEX certificate_by_applicant ON certificate (applicant_id, id);
CREATE INDEX certificate_due ON certificate (due_at, id);
CREATE INDEX certificate_by_application ON certificate (application_id);

CREATE TABLE timeline (
    id TEXT PRIMARY KEY,
    application_id TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    kind TEXT NOT NULL,
    by_whom TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX timeline_by_application ON timeline (application_id, id);

CREATE TABLE notice (
    id TEXT PRIMARY KEY,
    applicant_id TEXT,
    channel TEXT NOT NULL,
    kind TEXT NOT NULL,
    language TEXT NOT NULL,
    state TEXT NOT NULL,
    due_at TIMESTAMP,
    tries INTEGER NOT NULL DEFAULT 0,
    answer TEXT NOT NULL DEFAULT '',
    body BYTEA
);
CREATE INDEX notice_due ON notice (channel, due_at, id);
CREATE INDEX notice_by_applicant ON notice (applicant_id, id);

CREATE TABLE gateway_message (
    id TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    verified BOOLEAN NOT NULL,
    raw TEXT NOT NULL
);
CREATE INDEX gateway_message_by_order ON gateway_message (order_id, id);

CREATE TABLE movement (
    key TEXT PRIMARY KEY,
    application_id TEXT NOT NULL,
    at TIMESTAMP NOT NULL,
    from_account TEXT NOT NULL,
    to_account TEXT NOT NULL,
    amount BIGINT NOT NULL CHECK (amount > 0)
);
CREATE INDEX movement_by_application ON movement (application_id);
-- Append-only: a movement holds both of its entries, so it can't be unbalanced; what is booked stays.
CREATE FUNCTION movement_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'a movement of money is final'; END $$;
CREATE TRIGGER movement_final BEFORE UPDATE OR DELETE ON movement FOR EACH ROW EXECUTE FUNCTION movement_is_final();

CREATE TABLE audit (
    id TEXT PRIMARY KEY,
    at TIMESTAMP NOT NULL,
    by_whom TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL
);
CREATE INDEX audit_by_subject ON audit (subject, id);

CREATE TABLE registration (
    id TEXT PRIMARY KEY,
    expires_at TIMESTAMP NOT NULL,
    body BYTEA NOT NULL
);
CREATE INDEX registration_expiry ON registration (expires_at);

CREATE TABLE code (
    id TEXT PRIMARY KEY,
    purpose TEXT NOT NULL,
    address_key TEXT NOT NULL,
    network TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    code_hash TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    used BOOLEAN NOT NULL DEFAULT FALSE
);
CREATE INDEX code_by_address ON code (address_key, created_at);
CREATE INDEX code_by_network ON code (network, created_at);

CREATE TABLE login_failure (
    id TEXT PRIMARY KEY,
    who TEXT NOT NULL,
    at TIMESTAMP NOT NULL
);
CREATE INDEX login_failure_by_who ON login_failure (who, at);
CREATE INDEX login_failure_by_time ON login_failure (at);

CREATE TABLE session (
    token_hash TEXT PRIMARY KEY,
    realm TEXT NOT NULL,
    holder TEXT NOT NULL,
    created_at TIMESTAMP NOT NULL,
    expires_at TIMESTAMP NOT NULL
);
CREATE INDEX session_by_holder ON session (holder);
CREATE INDEX session_expiry ON session (expires_at);

CREATE TABLE staff (
    id TEXT PRIMARY KEY,
    user_name TEXT NOT NULL CONSTRAINT staff_user_name_unique UNIQUE,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    last_step BIGINT NOT NULL DEFAULT 0,
    totp BYTEA NOT NULL
);

CREATE TABLE counter (
    name TEXT PRIMARY KEY,
    value BIGINT NOT NULL
);
