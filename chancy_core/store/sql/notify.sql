-- Tell the workers, when this transaction commits.
--
-- channel   text
-- payloads  text[]
SELECT pg_notify(%(channel)s, payload) FROM unnest(%(payloads)s::text[]) AS payload
