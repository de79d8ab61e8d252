-- What lies in a default partition: (rows, rows since a time, the latest time). Reads all of it.
--
-- since_at   timestamptz
SELECT count(*), count(*) FILTER (WHERE finished_at >= %(since_at)s), max(finished_at)
FROM {schema}.{default}
