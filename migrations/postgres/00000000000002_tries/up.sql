-- What is limited is not log-ins alone any more.
ALTER TABLE login_failure RENAME TO tries;
