-- Names that begin like this, for a shell to complete: of queues, and of functions that jobs call which wait, or were pushed
-- last.
--
-- kind     text      'queue' or 'func'
-- prefix   text
-- most     bigint    so many names at most
-- looked   bigint    so many live jobs, and so many finished ones, are looked at
--
-- Uses finished_jobs_id; of live jobs, whichever come first.
SELECT name
FROM (
    SELECT name FROM {schema}.queues WHERE %(kind)s = 'queue'
    UNION
    (SELECT func FROM (SELECT func FROM {schema}.jobs LIMIT %(looked)s) AS live WHERE %(kind)s = 'func')
    UNION
    (
        SELECT func
        FROM (SELECT func FROM {schema}.finished_jobs ORDER BY id DESC LIMIT %(looked)s) AS finished
        WHERE %(kind)s = 'func'
    )
) AS known (name)
WHERE starts_with(name, %(prefix)s)
ORDER BY name
LIMIT %(most)s
