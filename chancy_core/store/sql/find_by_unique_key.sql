-- Who holds these unique keys now. Uses jobs_unique_key.
--
-- keys     text[]
SELECT unique_key, id FROM {schema}.jobs WHERE unique_key = ANY (%(keys)s) AND unique_key IS NOT NULL
