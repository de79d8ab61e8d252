-- What the constraints accept, the code reads: the numbers are those of chancy_core/values/ranges.py, and a test compares them.
-- Rows that are out of their range already are repaired, or end, so that nothing later stumbles over them.

-- The constraints come first: they lock the table, so that no row out of range is stored meanwhile.
ALTER TABLE {schema}.jobs
    DROP CONSTRAINT jobs_scheduled_at,
    DROP CONSTRAINT jobs_expires_at,
    DROP CONSTRAINT jobs_max_attempts,
    DROP CONSTRAINT jobs_attempts,
    -- Python's datetime knows no other years. One constraint for all of them, because each costs time at every push.
    ADD CONSTRAINT jobs_moments CHECK (
        created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
        AND scheduled_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
        AND started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
        AND expires_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
    ) NOT VALID,
    -- What can be claimed has an attempt left for the claim to spend; promote_jobs takes care of what waits.
    ADD CONSTRAINT jobs_attempts CHECK (
        max_attempts >= 1
        AND attempts >= 0
        AND attempts <= max_attempts
        AND (attempts < max_attempts OR state <> 'pending')
    ) NOT VALID;

-- Nobody could claim these, and every claim walked over them.
WITH gone AS (
    DELETE FROM {schema}.jobs WHERE attempts >= max_attempts AND state = 'pending' RETURNING *
)
INSERT INTO {schema}.finished_jobs (
    id, queue, func, priority, max_attempts, attempts, claims, created_at, scheduled_at, started_at, worker,
    unique_key, kwargs, meta, limits, options, expires_at, progress, state, errors, note
)
SELECT id, queue, func, priority, max_attempts, attempts, claims,
       CASE WHEN created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN created_at ELSE now() END,
       scheduled_at,
       CASE WHEN started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN started_at END,
       worker, unique_key, kwargs, meta, limits, options, expires_at, progress, 'failed', errors,
       'It waited to be started although its attempts were used up (attempts = max_attempts), so nothing could start it.'
FROM gone;

UPDATE {schema}.jobs
SET created_at = CASE WHEN created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN created_at ELSE now() END,
    started_at = CASE WHEN started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN started_at END
WHERE NOT created_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
   OR NOT started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00';

ALTER TABLE {schema}.jobs
    VALIDATE CONSTRAINT jobs_moments,
    VALIDATE CONSTRAINT jobs_attempts;

-- By this moment jobs are pruned. Not validated: that would read the whole history under a lock, and whoever reads
-- finished jobs copes with what was there before.
ALTER TABLE {schema}.finished_jobs
    ADD CONSTRAINT finished_jobs_finished_at CHECK (
        finished_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
    ) NOT VALID;

-- A publication FOR ALL TABLES refuses to delete from a table whose rows it cannot name. Each partition needs an identity
-- of its own; those of other tables are their primary keys. What somebody has chosen stays.
DO LANGUAGE plpgsql $$
DECLARE
    leaf regclass;
BEGIN
    FOR leaf IN
        SELECT tree.relid
        FROM pg_partition_tree('{schema}.finished_jobs') AS tree
        JOIN pg_class ON pg_class.oid = tree.relid
        WHERE tree.isleaf AND pg_class.relkind = 'r' AND pg_class.relreplident IN ('d', 'n')
    LOOP
        EXECUTE format('ALTER TABLE %s REPLICA IDENTITY FULL', leaf);
    END LOOP;
END
$$;

ALTER TABLE {schema}.queues
    DROP CONSTRAINT queues_concurrency,
    DROP CONSTRAINT queues_polling_interval,
    DROP CONSTRAINT queues_rate_limit,
    DROP CONSTRAINT queues_rate_limit_window,
    DROP CONSTRAINT queues_global_concurrency;

-- No worker started beside one of these, so that none can be in use.
DELETE FROM {schema}.queues WHERE name !~ '^[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,99}$' COLLATE "C";

UPDATE {schema}.queues
SET concurrency = least(concurrency, 10000),
    polling_interval = CASE WHEN polling_interval <= 3600 THEN polling_interval ELSE 5 END,
    resume_at = CASE WHEN resume_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN resume_at END,
    rate_limit = least(rate_limit, 1000000),
    rate_limit_window = least(greatest(rate_limit_window, 0.1), 86400),
    global_concurrency = least(global_concurrency, 1000000),
    tags = CASE WHEN coalesce(array_ndims(tags), 1) <> 1 THEN ARRAY['.*'] ELSE array_remove(tags, NULL) END,
    executor = CASE WHEN executor = '' THEN 'chancy_core.executors.auto.AutoExecutor' ELSE executor END,
    executor_options = CASE WHEN json_typeof(executor_options) = 'object' THEN executor_options ELSE '{}' END
WHERE concurrency > 10000
   OR NOT polling_interval <= 3600
   OR NOT resume_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
   OR rate_limit > 1000000
   OR NOT rate_limit_window BETWEEN 0.1 AND 86400
   OR global_concurrency > 1000000
   OR CASE WHEN coalesce(array_ndims(tags), 1) <> 1 THEN true ELSE array_position(tags, NULL) IS NOT NULL END
   OR executor = ''
   OR json_typeof(executor_options) <> 'object';

ALTER TABLE {schema}.queues
    ADD CONSTRAINT queues_name CHECK (name ~ '^[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,99}$' COLLATE "C"),
    ADD CONSTRAINT queues_concurrency CHECK (concurrency BETWEEN 1 AND 10000),
    ADD CONSTRAINT queues_polling_interval CHECK (polling_interval > 0 AND polling_interval <= 3600),
    ADD CONSTRAINT queues_resume_at CHECK (resume_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'),
    ADD CONSTRAINT queues_rate_limit CHECK (rate_limit BETWEEN 1 AND 1000000),
    ADD CONSTRAINT queues_rate_limit_window CHECK (rate_limit_window BETWEEN 0.1 AND 86400),
    ADD CONSTRAINT queues_global_concurrency CHECK (global_concurrency BETWEEN 1 AND 1000000),
    ADD CONSTRAINT queues_tags CHECK (
        CASE WHEN coalesce(array_ndims(tags), 1) = 1 THEN array_position(tags, NULL) IS NULL ELSE false END
    ),
    ADD CONSTRAINT queues_executor CHECK (executor <> ''),
    ADD CONSTRAINT queues_executor_options CHECK (json_typeof(executor_options) = 'object');

-- What is shown of workers. Nothing but the database reads their leases.
ALTER TABLE {schema}.workers
    ADD CONSTRAINT workers_moments CHECK (
        started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
        AND seen_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
        AND status_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
    ) NOT VALID,
    ADD CONSTRAINT workers_tags CHECK (
        CASE WHEN coalesce(array_ndims(tags), 1) = 1 THEN array_position(tags, NULL) IS NULL ELSE false END
    ) NOT VALID,
    -- What an interval can be made of, wherever leases are compared with it.
    ADD CONSTRAINT workers_lease_s CHECK (lease_s > 0 AND lease_s <= 1000000000) NOT VALID;

-- One that lives registers again within moments.
DELETE FROM {schema}.workers
WHERE NOT (lease_s > 0 AND lease_s <= 1000000000)
   OR NOT started_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
   OR NOT seen_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
   OR NOT status_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
   OR CASE WHEN coalesce(array_ndims(tags), 1) <> 1 THEN true ELSE array_position(tags, NULL) IS NOT NULL END;

ALTER TABLE {schema}.workers
    VALIDATE CONSTRAINT workers_moments,
    VALIDATE CONSTRAINT workers_tags,
    VALIDATE CONSTRAINT workers_lease_s;
