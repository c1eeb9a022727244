-- What the queues sort and search by: who has a case, when it is due, when the clerk looks at it.
ALTER TABLE application ADD COLUMN look_at TIMESTAMP;
ALTER TABLE application ADD COLUMN claimed_by TEXT;
ALTER TABLE application ADD COLUMN due_on DATE;
-- A keyed hash of institution and certificate number: the same paper in another account is pointed out.
ALTER TABLE application ADD COLUMN paper_key TEXT;
CREATE INDEX application_look ON application (look_at);
CREATE INDEX application_claimed ON application (stage, claimed_by, since_at, id);
CREATE INDEX application_kind ON application (stage, kind, since_at, id);
CREATE INDEX application_country ON application (stage, country, since_at, id);
CREATE INDEX application_due_on ON application (stage, due_on, id);
CREATE INDEX application_paper ON application (paper_key);
-- A keyed hash of the name's letters, for officers who have only the name.
ALTER TABLE applicant ADD COLUMN name_key TEXT;
CREATE INDEX applicant_name ON applicant (name_key, id);
-- A batch that is not to be released is dissolved, and what was in it waits for the next.
ALTER TABLE transfer_batch ADD COLUMN dissolved_at TIMESTAMP;
