-- A page of entries, the newest first: (id, at, who, source, action, subject, state, jobs, said, reason).
--
-- who     text     NULL: anybody
-- action  text     NULL: any
-- before  bigint   only entries with smaller numbers
-- limit   integer
--
-- By dashboard_audit_pkey, backwards; of somebody who did little, all of it is read.
SELECT id, at, who, source, action, subject, state, jobs, said, reason
FROM {schema}.dashboard_audit
WHERE id < %(before)s
  AND (%(who)s::text IS NULL OR who = %(who)s)
  AND (%(action)s::text IS NULL OR action = %(action)s)
ORDER BY id DESC
LIMIT %(limit)s
