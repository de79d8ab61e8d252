-- What the sessions of a benchmark do at this moment, for `chancy bench`. Any role sees its own sessions.
--
-- name  the application name of these sessions
--
-- A row for each thing that they wait for: what, and how many. `processor`: they wait for nothing, but compute, or queue
-- for a processor. Sessions that are idle are not counted.
SELECT coalesce(wait_event_type || ' ' || wait_event, 'processor'), count(*)
FROM pg_stat_activity
WHERE application_name = %(name)s AND state = 'active' AND pid <> pg_backend_pid()
GROUP BY 1
