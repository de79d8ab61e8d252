-- The transactions that have written to the jobs and have been open for long, the oldest first: whoever waits for a
-- unique_key waits for one of them.
--
-- jobs       text              the table
-- age_s      double precision
--
-- Returns (pid, application, user, state, seconds); what of it this role may not see is NULL.
SELECT pid, application_name, usename::text, state, extract(epoch FROM clock_timestamp() - xact_start)::double precision
FROM pg_stat_activity
WHERE pid IN (
        SELECT pid
        FROM pg_locks
        WHERE locktype = 'relation' AND granted AND mode = 'RowExclusiveLock'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            AND relation = to_regclass(%(jobs)s::text)
    )
    AND pid <> pg_backend_pid()
    AND coalesce(xact_start < clock_timestamp() - make_interval(secs => %(age_s)s::double precision), true)
ORDER BY xact_start
LIMIT 3
