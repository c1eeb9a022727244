-- Joint programmes (R3): the list, how it is searched, and the register of students.
CREATE TABLE programme (
    id TEXT PRIMARY KEY,
    approval TEXT NOT NULL CONSTRAINT programme_approval_unique UNIQUE,
    name TEXT NOT NULL,
    level TEXT NOT NULL,
    retired_at TIMESTAMP,
    body TEXT NOT NULL
);
CREATE INDEX programme_by_name ON programme (name, id);
CREATE INDEX programme_by_level ON programme (level, name, id);
-- Two letters that follow each other in names and number: any part of a name is found by an index.
CREATE TABLE programme_gram (
    gram TEXT NOT NULL,
    programme_id TEXT NOT NULL REFERENCES programme (id) ON DELETE CASCADE,
    PRIMARY KEY (gram, programme_id)
);
CREATE INDEX programme_gram_by_programme ON programme_gram (programme_id);
CREATE TABLE student (
    id TEXT PRIMARY KEY,
    document_key TEXT NOT NULL,
    programme_id TEXT NOT NULL REFERENCES programme (id),
    retired_at TIMESTAMP,
    body BLOB NOT NULL,
    CONSTRAINT student_once UNIQUE (document_key, programme_id)
);
CREATE INDEX student_by_programme ON student (programme_id, id);
-- A file that was read and not imported yet, sealed; gone once it is.
CREATE TABLE import_file (
    id TEXT PRIMARY KEY,
    made_at TIMESTAMP NOT NULL,
    made_by TEXT NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX import_file_by_time ON import_file (made_at);
