-- What is left to do in some queues, as one worker sees it. Changes nothing. One row of booleans:
--
-- runs      whether this worker has runs whose outcome is not recorded
-- waits     whether a job could be run now, of a function that this worker can run
-- soon      whether one that is scheduled, or to be tried again, is due by then
-- unable    whether a job could be run now, but for its function, which this worker cannot run
-- unheard   whether plugins here have yet to be told of ends, upon which they may push more
--
-- worker    text
-- queues    text[]            those that it serves
-- left      text[]            `queue func` of what it cannot run
-- within_s  double precision  how far ahead to look
-- plugins   text[]            those here that hear of every end of a job
--
-- Uses jobs_running, jobs_ready, jobs_due and ended_due. If all that waits cannot be run, it is read to its end.
WITH served AS (
    SELECT name
    FROM {schema}.queues
    WHERE name = ANY (%(queues)s::text[]) AND (state = 'active' OR resume_at <= now())
)
SELECT
    EXISTS (SELECT FROM {schema}.jobs WHERE state = 'running' AND worker = %(worker)s),
    EXISTS (
        SELECT
        FROM served
        -- A limit, because the planner would turn EXISTS into a join that reads all that waits.
        CROSS JOIN LATERAL (
            SELECT FROM {schema}.jobs
            WHERE queue = served.name
              AND state = 'pending'
              AND queue || ' ' || func <> ALL (%(left)s::text[])
            ORDER BY priority, id
            LIMIT 1
        ) AS first
    ),
    EXISTS (
        SELECT FROM {schema}.jobs
        WHERE state IN ('scheduled', 'retrying')
          AND scheduled_at <= now() + make_interval(secs => %(within_s)s)
          AND queue IN (SELECT name FROM served)
    ),
    EXISTS (
        SELECT
        FROM served
        CROSS JOIN LATERAL (
            SELECT FROM {schema}.jobs
            WHERE queue = served.name
              AND state = 'pending'
              AND queue || ' ' || func = ANY (%(left)s::text[])
            ORDER BY priority, id
            LIMIT 1
        ) AS first
    ),
    EXISTS (
        SELECT
        FROM unnest(%(plugins)s::text[]) AS listening (plugin)
        CROSS JOIN LATERAL (
            SELECT FROM {schema}.ended WHERE ended.plugin = listening.plugin AND due_at <= now() LIMIT 1
        ) AS first
    )
