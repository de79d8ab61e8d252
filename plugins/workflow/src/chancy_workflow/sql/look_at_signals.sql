-- The signals that were sent to a run, and when. Uses workflow_signals_pkey.
--
-- run    uuid
-- limit  integer
SELECT name, sent_at FROM {schema}.workflow_signals WHERE run = %(run)s::uuid ORDER BY name LIMIT %(limit)s::integer
