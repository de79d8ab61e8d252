-- compatible: yes
-- What others may read by SQL. The tables may change with any release; these keep their columns, and their meaning. A column
-- that comes later stands at the end. Whoever changes a column of a table that stands here drops the view before that and
-- makes it anew after it, in one migration.

-- Live jobs. The join falls away where worker_alive is not asked for, and every condition reaches the table's indexes.
CREATE VIEW {schema}.jobs_v1 AS
SELECT jobs.id,
       jobs.queue,
       jobs.func,
       jobs.state,
       jobs.priority,
       jobs.attempts,
       jobs.max_attempts,
       jobs.created_at,
       jobs.scheduled_at,
       jobs.started_at,
       jobs.expires_at,
       jobs.worker,
       CASE WHEN jobs.state = 'running' THEN coalesce(workers.lease_until > now(), false) END AS worker_alive,
       jobs.unique_key,
       jobs.kwargs,
       jobs.meta,
       jobs.progress,
       jobs.errors,
       jobs.errors -> -1 ->> 'type' AS error_type,
       jobs.errors -> -1 ->> 'message' AS error_message,
       jobs.note,
       jobs.cancel_note IS NOT NULL AS cancel_requested,
       extract(epoch FROM now() - jobs.created_at)::double precision AS age_s,
       CASE WHEN jobs.state = 'pending'
            THEN extract(epoch FROM now() - greatest(jobs.created_at, jobs.scheduled_at))::double precision
       END AS waits_s,
       CASE WHEN jobs.state = 'running' THEN extract(epoch FROM now() - jobs.started_at)::double precision END AS runs_s
FROM {schema}.jobs
LEFT JOIN {schema}.workers ON workers.worker = jobs.worker;

-- Finished jobs. A condition on state and finished_at looks into no more partitions than it has to.
CREATE VIEW {schema}.finished_jobs_v1 AS
SELECT id,
       queue,
       func,
       state,
       priority,
       attempts,
       max_attempts,
       created_at,
       scheduled_at,
       started_at,
       finished_at,
       expires_at,
       worker,
       unique_key,
       kwargs,
       meta,
       progress,
       result,
       errors,
       errors -> -1 ->> 'type' AS error_type,
       errors -> -1 ->> 'message' AS error_message,
       note,
       run_s,
       peak_bytes,
       CASE WHEN isfinite(created_at) AND isfinite(finished_at)
            THEN extract(epoch FROM finished_at - created_at)::double precision
       END AS total_s
FROM {schema}.finished_jobs;

-- Queues, as they are declared now; one whose pause is over is active.
CREATE VIEW {schema}.queues_v1 AS
SELECT name,
       CASE WHEN state = 'paused' AND resume_at <= now() THEN 'active' ELSE state END AS state,
       CASE WHEN state = 'paused' AND resume_at > now() THEN resume_at END AS resume_at,
       concurrency,
       tags,
       executor,
       executor_options,
       polling_interval AS polling_interval_s,
       rate_limit,
       rate_limit_window AS rate_limit_window_s,
       global_concurrency,
       created_at
FROM {schema}.queues;

-- Workers, lost ones until they are forgotten. `running` is counted only where it is asked for.
CREATE VIEW {schema}.workers_v1 AS
SELECT workers.worker AS name,
       workers.tags,
       workers.lease_until > now() AS alive,
       workers.started_at,
       workers.seen_at,
       extract(epoch FROM now() - workers.seen_at)::double precision AS seen_s_ago,
       workers.lease_until,
       workers.lease_s,
       (SELECT count(*) FROM {schema}.jobs WHERE jobs.worker = workers.worker AND jobs.state = 'running') AS running,
       workers.status,
       workers.status_at
FROM {schema}.workers;

-- Whoever may read a table may read its view; so a role that runs workers without owning the schema needs nothing new.
DO LANGUAGE plpgsql $$
DECLARE
    allowed record;
BEGIN
    FOR allowed IN
        SELECT pg_class.relname, CASE WHEN acl.grantee = 0 THEN 'PUBLIC' ELSE acl.grantee::regrole::text END AS grantee
        FROM pg_class
        CROSS JOIN aclexplode(pg_class.relacl) AS acl
        WHERE pg_class.relnamespace = to_regnamespace('{schema}')
          AND pg_class.relname IN ('jobs', 'finished_jobs', 'queues', 'workers')
          AND acl.privilege_type = 'SELECT'
          AND acl.grantee <> pg_class.relowner
    LOOP
        EXECUTE format('GRANT SELECT ON {schema}.%I TO %s', allowed.relname || '_v1', allowed.grantee);
    END LOOP;
END
$$;
