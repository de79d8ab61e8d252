-- The results of steps, as JSON text: NULL of a step that has none. That of a map is the list of those of its parts.
--
-- steps  json   an array of objects: run, n
--
-- Returns (run, n, result, problem): a result that was lost, because it is no JSON or too large to be kept, has a problem.
-- Uses workflow_steps_pkey and workflow_steps_parts.
SELECT step.run::text, step.n,
    CASE WHEN step.kind = 'map' AND step.state = 'succeeded' THEN parts.results ELSE step.result END::text,
    CASE
        WHEN step.state <> 'succeeded' THEN NULL
        WHEN step.kind = 'map' THEN parts.problem
        WHEN step.result IS NULL THEN step.name || ': ' || step.note
    END
FROM json_to_recordset(%(steps)s::json) AS given (run uuid, n integer)
CROSS JOIN LATERAL (
    SELECT * FROM {schema}.workflow_steps WHERE run = given.run AND n = given.n OFFSET 0
) AS step
LEFT JOIN LATERAL (
    SELECT coalesce(json_agg(part.result ORDER BY part.n), '[]') AS results,
        (array_agg(part.name || ': ' || part.note ORDER BY part.n) FILTER (
            WHERE part.result IS NULL AND part.note IS NOT NULL
        ))[1] AS problem
    FROM {schema}.workflow_steps AS part
    -- Nothing is looked for where there is no map.
    WHERE step.kind = 'map' AND part.run = step.run AND part.scope = step.n AND part.kind = 'part'
) AS parts ON true
