-- How a batch of jobs went, for `chancy bench`: how many succeeded, and the seconds from the first start to the last
-- recorded end. Reads all jobs of the batch.
--
-- first  the id of the first
-- last   the id of the last
SELECT count(*) FILTER (WHERE state = 'succeeded'),
       extract(epoch FROM max(finished_at) - min(started_at))::double precision
FROM {schema}.finished_jobs
WHERE id BETWEEN %(first)s AND %(last)s
