-- Delete jobs that are older than their rule allows, from some pages of one partition. Returns how many, by rule.
--
-- state        text                 the outcome
-- from_page, to_page                tid, written as (page,0): the pages to look at
-- shortest_s   double precision     no rule is shorter
-- queues, funcs, labels   text[]    LIKE patterns and names of the rules, in their order: the first that matches decides
-- keeps_s      double precision[]   seconds; NULL: for ever
-- limit        integer              rows
--
-- Never waits: a row that is locked is somebody else's to delete. A TID range scan, so that the work is bounded however
-- large the partition and however few of its rows match.
WITH due AS (
    SELECT job.ctid, rule.label
    FROM {schema}.{partition} AS job
    CROSS JOIN LATERAL (
        SELECT label, keep_s
        FROM unnest(
            %(queues)s::text[], %(funcs)s::text[], %(keeps_s)s::double precision[], %(labels)s::text[]
        ) WITH ORDINALITY AS given (queue, func, keep_s, label, rank)
        WHERE job.queue LIKE given.queue AND job.func LIKE given.func
        ORDER BY rank
        LIMIT 1
    ) AS rule
    WHERE job.ctid >= %(from_page)s::tid AND job.ctid < %(to_page)s::tid
      AND job.state = %(state)s
      AND job.finished_at < now() - make_interval(secs => %(shortest_s)s)
      AND job.finished_at < now() - make_interval(secs => rule.keep_s)
    LIMIT %(limit)s
    FOR UPDATE OF job SKIP LOCKED
),
gone AS (
    DELETE FROM {schema}.{partition} WHERE ctid = ANY (ARRAY(SELECT ctid FROM due))
)
SELECT label, count(*) FROM due GROUP BY label
