-- Record that something is about to be done.
--
-- who, source, action, subject, reason  text  who it is, from where, what, to what, and why
-- state  text  `begun`, or `refused`
--
-- Returns (id).
INSERT INTO {schema}.dashboard_audit (who, source, action, subject, state, reason)
VALUES (%(who)s, %(source)s, %(action)s, %(subject)s, %(state)s, %(reason)s)
RETURNING id
