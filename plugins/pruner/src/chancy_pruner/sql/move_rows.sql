-- Move what lies in the default partition and belongs into one that is about to be attached. Returns how many rows.
WITH moved AS (
    DELETE FROM {schema}.{default} WHERE finished_at >= {from_at} AND finished_at < {to_at} RETURNING *
),
kept AS (
    INSERT INTO {schema}.{partition} SELECT * FROM moved
)
SELECT count(*) FROM moved
