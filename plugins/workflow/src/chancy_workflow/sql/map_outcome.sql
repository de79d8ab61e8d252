-- How the parts of a map ended: how many in each state, and what the first one that did not succeed has to say.
--
-- run  uuid
-- map  integer
--
-- Uses workflow_steps_parts.
SELECT
    count(*) FILTER (WHERE state IN ('failed', 'expired')),
    count(*) FILTER (WHERE state IN ('cancelled', 'skipped')),
    count(*),
    (array_agg(name || ': ' || coalesce(note, state) ORDER BY n) FILTER (WHERE state IN ('failed', 'expired')))[1]
FROM {schema}.workflow_steps
WHERE run = %(run)s::uuid AND scope = %(map)s::integer AND kind = 'part'
