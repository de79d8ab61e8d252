-- The newest entries about something: (at, who, source, action, subject, state, jobs, said, reason).
--
-- subject  text
-- limit    integer
--
-- By dashboard_audit_subject.
SELECT at, who, source, action, subject, state, jobs, said, reason
FROM {schema}.dashboard_audit
WHERE subject = %(subject)s
ORDER BY id DESC
LIMIT %(limit)s
