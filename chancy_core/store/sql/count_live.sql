-- How many live jobs each queue has, by state: (queue, state, count). Reads the whole table.
SELECT queue, state, count(*) FROM {schema}.jobs GROUP BY queue, state
