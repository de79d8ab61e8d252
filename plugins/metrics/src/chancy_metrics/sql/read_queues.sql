-- The declared queues, by name.
SELECT name FROM {schema}.queues ORDER BY name
