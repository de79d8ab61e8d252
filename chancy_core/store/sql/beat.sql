-- Prolong a worker's lease, and look in the same stroke whether anything waits that no notification told of.
--
-- worker        text
-- lease_s       double precision
-- status        text              JSON of what it says of itself; NULL: as it said before
-- status_age_s  double precision  how long ago that was found
-- queues        text[]            those that it claims from
-- plugins       text[]            those here that hear of every end of a job
-- within_s      double precision  how long until the next beat
--
-- Returns one row:
--
-- known         whether its lease was there to be prolonged; if not, others have taken its jobs
-- now_s         the database's clock, in seconds since 1970
-- living        how many workers have a lease, this one included
-- expired       whether some worker's lease ran out, or lies further ahead than it can, since the clock was set back
-- lost_in_s     seconds until the lease of another worker ends that holds runs, if that is before the next beat; the
--               first of them, 0 or less if it has ended; NULL if there is none
-- declarations  a number that changes when a queue is declared, changed or deleted
-- ready         those of its queues that have runnable jobs
-- due_in_s      seconds until the next job is due or expires, 0 if a cancelled one waits to be swept, NULL if there is none
-- stopping      whether somebody wants a run of this worker cancelled
-- unheard       whether jobs have ended that one of its plugins has yet to be told of
--
-- Leases end by the clock on the wall: whatever this waited for, such as a lock, is not part of them.
-- Uses jobs_ready, jobs_due, jobs_expiring, jobs_cancelled, jobs_running and ended_due.
WITH renewed AS (
    UPDATE {schema}.workers
    SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
        lease_s = %(lease_s)s,
        seen_at = now(),
        status = coalesce(%(status)s::json, status),
        status_at = CASE
            WHEN %(status)s::text IS NULL THEN status_at
            ELSE now() - make_interval(secs => %(status_age_s)s)
        END
    WHERE worker = %(worker)s
    RETURNING worker
)
SELECT
    EXISTS (SELECT FROM renewed) AS known,
    extract(epoch FROM clock_timestamp())::double precision AS now_s,
    (SELECT count(*) FROM {schema}.workers WHERE lease_until > now() OR worker = %(worker)s) AS living,
    EXISTS (
        SELECT FROM {schema}.workers
        WHERE worker <> %(worker)s
          AND (
              lease_until <= now()
              OR lease_until > clock_timestamp() + make_interval(secs => coalesce(lease_s, %(lease_s)s) + 1)
          )
    ) AS expired,
    (
        SELECT min(extract(epoch FROM lease_until - now()))::double precision
        FROM {schema}.workers
        WHERE worker <> %(worker)s
          AND lease_until < now() + make_interval(secs => %(within_s)s)
          -- A limit, for the same reason as below.
          AND (SELECT true FROM {schema}.jobs WHERE state = 'running' AND jobs.worker = workers.worker LIMIT 1)
    ) AS lost_in_s,
    (SELECT coalesce(bit_xor(hashtextextended(name, xmin::text::bigint)), 0) FROM {schema}.queues) AS declarations,
    ARRAY(
        SELECT name
        FROM unnest(%(queues)s::text[]) AS served (name)
        -- A limit, because the planner would turn EXISTS into a join that reads all that waits.
        CROSS JOIN LATERAL (
            SELECT FROM {schema}.jobs
            WHERE queue = served.name AND state = 'pending' AND cancel_note IS NULL
            ORDER BY priority, id
            LIMIT 1
        ) AS first
    ) AS ready,
    CASE
        WHEN EXISTS (SELECT FROM {schema}.jobs WHERE worker IS NULL AND cancel_note IS NOT NULL) THEN 0
        ELSE least(
            (
                SELECT extract(epoch FROM scheduled_at - now())::double precision
                FROM {schema}.jobs
                WHERE state IN ('scheduled', 'retrying')
                ORDER BY scheduled_at
                LIMIT 1
            ),
            (
                SELECT extract(epoch FROM expires_at - now())::double precision
                FROM {schema}.jobs
                WHERE expires_at IS NOT NULL AND attempts = 0 AND worker IS NULL
                ORDER BY expires_at
                LIMIT 1
            )
        )
    END AS due_in_s,
    EXISTS (SELECT FROM {schema}.jobs WHERE worker = %(worker)s AND cancel_note IS NOT NULL) AS stopping,
    EXISTS (
        SELECT
        FROM unnest(%(plugins)s::text[]) AS listening (plugin)
        -- A limit, for the same reason as above.
        CROSS JOIN LATERAL (
            SELECT FROM {schema}.ended WHERE ended.plugin = listening.plugin AND due_at <= now() LIMIT 1
        ) AS first
    ) AS unheard
