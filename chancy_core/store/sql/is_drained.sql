-- Whether all jobs of a batch have ended, for `chancy bench`. Two looks into primary keys: ids grow with time.
--
-- first  the id of the first
-- last   the id of the last
SELECT EXISTS (SELECT FROM {schema}.finished_jobs WHERE id = %(last)s)
       AND NOT EXISTS (SELECT FROM {schema}.jobs WHERE id BETWEEN %(first)s AND %(last)s)
