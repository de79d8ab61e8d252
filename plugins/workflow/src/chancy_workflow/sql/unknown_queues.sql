-- Which of these queues nobody has declared, and which ones somebody has.
--
-- queues  text[]
SELECT
    ARRAY(SELECT unnest(%(queues)s::text[]) EXCEPT SELECT name FROM {schema}.queues_v1 ORDER BY 1),
    ARRAY(SELECT name FROM {schema}.queues_v1 ORDER BY name)
