-- compatible: yes
-- A worker may serve named queues only: it says which. NULL, as in the rows of older code: all queues that its tags match.
ALTER TABLE {schema}.workers
    ADD COLUMN queues text[],
    ADD CONSTRAINT workers_queues CHECK (
        CASE WHEN coalesce(array_ndims(queues), 1) = 1 THEN array_position(queues, NULL) IS NULL ELSE false END
    );

-- What the settings said of a queue when they were last applied, as text; NULL: never. A worker that starts applies what has
-- changed in them, and leaves alone what somebody has declared since.
ALTER TABLE {schema}.queues ADD COLUMN configured text;

-- The same view with one column more, at its end. The others, such as jobs_v1, stay as they are.
CREATE OR REPLACE VIEW {schema}.workers_v1 AS
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
       workers.status_at,
       workers.queues
FROM {schema}.workers;
