-- Whether the upkeep is ours until the end of this transaction: one worker at a time, leader or not.
--
-- name  text  the schema
SELECT pg_try_advisory_xact_lock(hashtext('chancy_history'), hashtext(%(name)s))
