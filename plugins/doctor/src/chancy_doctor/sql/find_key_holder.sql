-- The live job that holds a unique key, if there is one. jobs_unique_key.
--
-- unique_key  text
SELECT id FROM {schema}.jobs_v1 WHERE unique_key = %(unique_key)s
