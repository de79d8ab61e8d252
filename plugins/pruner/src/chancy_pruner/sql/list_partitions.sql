-- The partitions of finished_jobs by outcome, in the order of their times, the default ones last.
--
-- schema   text     its name
-- states   text[]   the outcomes
--
-- After read_clock. Returns (state, name, from_at, to_at, is_default, bytes, pages, row_estimate, now): from_at and to_at are
-- NULL for a default partition and where a bound is open; row_estimate is -1 where nothing was ever counted.
SELECT outcome.state,
       leaf.relname AS name,
       (regexp_match(bound.text, 'FROM \(''([0-9][^'']*)''\)'))[1]::timestamptz AS from_at,
       (regexp_match(bound.text, 'TO \(''([0-9][^'']*)''\)'))[1]::timestamptz AS to_at,
       bound.text = 'DEFAULT' AS is_default,
       coalesce(size.bytes, 0) AS bytes,
       coalesce(size.bytes, 0) / current_setting('block_size')::bigint AS pages,
       CASE WHEN leaf.reltuples < 0 OR leaf.relpages = 0 THEN -1
            ELSE leaf.reltuples / leaf.relpages * (coalesce(size.bytes, 0) / current_setting('block_size')::bigint)
       END::bigint AS row_estimate,
       now() AS now
FROM unnest(%(states)s::text[]) AS outcome (state)
JOIN pg_namespace AS namespace ON namespace.nspname = %(schema)s
JOIN pg_class AS parent ON parent.relnamespace = namespace.oid AND parent.relname = 'finished_' || outcome.state
JOIN pg_inherits ON pg_inherits.inhparent = parent.oid
JOIN pg_class AS leaf ON leaf.oid = pg_inherits.inhrelid AND leaf.relkind = 'r' AND leaf.relnamespace = namespace.oid
CROSS JOIN LATERAL (SELECT pg_get_expr(leaf.relpartbound, leaf.oid)) AS bound (text)
CROSS JOIN LATERAL (SELECT pg_relation_size(leaf.oid)) AS size (bytes)
ORDER BY outcome.state, is_default, to_at, name
