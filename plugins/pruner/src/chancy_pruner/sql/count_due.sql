-- How many jobs of a partition are older than their rule allows, by rule; arguments as in sweep.
--
-- share   real   per cent of the pages to look at; 100 counts exactly
SELECT rule.label, count(*)
FROM {schema}.{partition} AS job TABLESAMPLE SYSTEM (%(share)s)
CROSS JOIN LATERAL (
    SELECT label, keep_s
    FROM unnest(
        %(queues)s::text[], %(funcs)s::text[], %(keeps_s)s::double precision[], %(labels)s::text[]
    ) WITH ORDINALITY AS given (queue, func, keep_s, label, rank)
    WHERE job.queue LIKE given.queue AND job.func LIKE given.func
    ORDER BY rank
    LIMIT 1
) AS rule
WHERE job.state = %(state)s
  AND job.finished_at < now() - make_interval(secs => %(shortest_s)s)
  AND job.finished_at < now() - make_interval(secs => rule.keep_s)
GROUP BY rule.label
