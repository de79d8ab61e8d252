-- Those of these names that nobody declared.
--
-- names   text[]
SELECT name FROM unnest(%(names)s::text[]) AS named (name)
WHERE name NOT IN (SELECT queues.name FROM {schema}.queues)
