-- The next moment at which something changes by itself: a job is due or expires, or a paused queue is resumed.
--
-- after   timestamptz   earlier ones are over
--
-- Returns (moment), NULL if there is none. Reads the whole table: there is a test's worth of jobs in it.
SELECT least(
    (SELECT min(scheduled_at) FROM {schema}.jobs WHERE state IN ('scheduled', 'retrying') AND scheduled_at > %(after)s),
    (SELECT min(expires_at) FROM {schema}.jobs WHERE attempts = 0 AND worker IS NULL AND expires_at > %(after)s),
    (SELECT min(resume_at) FROM {schema}.queues WHERE state <> 'active' AND resume_at > %(after)s)
) AS moment
