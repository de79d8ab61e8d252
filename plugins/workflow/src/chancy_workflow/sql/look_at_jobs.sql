-- What jobs that live do just now. Uses jobs_pkey.
--
-- jobs  uuid[]
SELECT id::text, state FROM {schema}.jobs_v1 WHERE id = ANY (%(jobs)s::uuid[])
