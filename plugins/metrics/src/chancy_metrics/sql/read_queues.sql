-- The declared queues, by name.
SELECT name FROM {schema}.queues_v1 ORDER BY name
