-- Keep these jobs from being claimed until this transaction has ended, if they still wait. Claims skip what is locked.
--
-- ids   uuid[]
--
-- Returns the ids of those that wait. Uses jobs_pkey.
SELECT id FROM {schema}.jobs WHERE id = ANY (%(ids)s::uuid[]) AND state <> 'running' ORDER BY id FOR SHARE
