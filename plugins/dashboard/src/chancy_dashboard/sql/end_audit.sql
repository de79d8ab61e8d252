-- Record what came of it. What is empty stays as it was.
--
-- entry  bigint   the row: dashboard_audit_pkey
-- state  text     `done`, `failed` or `refused`
-- said   text     what its doer was told
-- subject, reason  text
-- jobs   bigint   how many jobs were changed; NULL: it is not about jobs
UPDATE {schema}.dashboard_audit
SET state = %(state)s,
    said = %(said)s,
    jobs = %(jobs)s,
    subject = coalesce(nullif(%(subject)s, ''), subject),
    reason = coalesce(nullif(%(reason)s, ''), reason)
WHERE id = %(entry)s
