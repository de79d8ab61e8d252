-- One worker at a time declares the schedules of its settings in this schema, until its transaction ends.
--
-- schema    text
SELECT pg_advisory_xact_lock(hashtext('chancy.cron'), hashtext(%(schema)s))
