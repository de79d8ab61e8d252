-- How many jobs there are in these states, as the planner estimates it: reads statistics, and no job.
--
-- states   text[]
--
-- Returns the plan, as JSON.
EXPLAIN (FORMAT JSON)
SELECT FROM {schema}.jobs WHERE state = ANY (%(states)s::text[])
UNION ALL
SELECT FROM {schema}.finished_jobs WHERE state = ANY (%(states)s::text[])
