-- Lock runs until the transaction ends: whatever moves a run on holds its lock, and so does one thing at a time.
--
-- runs  uuid[]
--
-- In the order of their ids, so that nobody waits for each other in a circle. Returns the ids of those that there are.
SELECT id::text FROM {schema}.workflow_runs WHERE id = ANY (%(runs)s::uuid[]) ORDER BY id FOR NO KEY UPDATE
