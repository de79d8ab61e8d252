-- The job that claim_jobs would take first, if it may be taken at all. Changes nothing, and waits for nobody.
--
-- queue    text
-- refused  uuid[]   as in claim_jobs
-- unable   text[]   as in claim_jobs
--
-- Returns its id. Uses jobs_ready.
SELECT id
FROM {schema}.jobs
WHERE queue = %(queue)s
  AND state = 'pending'
  AND (expires_at IS NULL OR expires_at > now() OR attempts > 0)
  AND cancel_note IS NULL
  AND id <> ALL (%(refused)s::uuid[])
  AND CASE WHEN func = ANY (%(unable)b::text[]) THEN false ELSE true END
ORDER BY priority, id
LIMIT 1
FOR UPDATE SKIP LOCKED
