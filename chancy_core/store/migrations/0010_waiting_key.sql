-- compatible: yes
-- Unique keys of which one job may wait while another runs (`unique_while="waiting"`). They stand in a column of their own,
-- because code of before counts on the index jobs_unique_key as it is, which a running job does not leave. That code runs
-- such jobs like any other; only the key is missing from what it records of them in finished_jobs.
ALTER TABLE {schema}.jobs ADD COLUMN waiting_key text;

CREATE OR REPLACE VIEW {schema}.jobs_v1 AS
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
       CASE WHEN jobs.state = 'running' THEN extract(epoch FROM now() - jobs.started_at)::double precision END AS runs_s,
       jobs.waiting_key
FROM {schema}.jobs
LEFT JOIN {schema}.workers ON workers.worker = jobs.worker;
