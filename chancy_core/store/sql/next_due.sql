-- Seconds until the next job is due, and until the next one expires, each NULL when there is none; and whether a cancelled
-- job waits to be swept. Uses jobs_due, jobs_expiring and jobs_cancelled.
SELECT
    (
        SELECT extract(epoch FROM scheduled_at - clock_timestamp())::double precision
        FROM {schema}.jobs
        WHERE state IN ('scheduled', 'retrying')
        ORDER BY scheduled_at
        LIMIT 1
    ) AS due_in_s,
    (
        SELECT extract(epoch FROM expires_at - clock_timestamp())::double precision
        FROM {schema}.jobs
        WHERE expires_at IS NOT NULL AND attempts = 0 AND worker IS NULL
        ORDER BY expires_at
        LIMIT 1
    ) AS expires_in_s,
    EXISTS (SELECT FROM {schema}.jobs WHERE worker IS NULL AND cancel_note IS NOT NULL) AS cancelled
