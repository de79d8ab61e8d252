-- As lock_runs, without those that somebody else moves on just now.
--
-- runs  uuid[]
SELECT id::text FROM {schema}.workflow_runs WHERE id = ANY (%(runs)s::uuid[]) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
