-- Forget which jobs an operation was about, once it is done: what came of them stays.
--
-- id  uuid
DELETE FROM {schema}.dashboard_targets WHERE operation = %(id)s
