-- End a session whose connection was lost, so that nothing it was asked for happens later. Its process id alone does not
-- name it: the server gives ids again.
--
-- pid         integer
-- start       text      when the session started
-- within_ms   bigint    how long it may take
--
-- Returns no row if it is gone already; otherwise whether it is gone now.
SELECT pg_terminate_backend(pid, %(within_ms)s::bigint)
FROM pg_stat_get_activity(%(pid)s::integer)
WHERE backend_start = %(start)s::timestamptz
