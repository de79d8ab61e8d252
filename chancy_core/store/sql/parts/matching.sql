-- The conditions of a JobFilter on the rows of `slice`, for a WHERE. `terms` are those on kwargs and meta. A parameter that is
-- NULL says nothing; plans are made for the values, so that such a condition is not there at all.
--
-- states                           text[]           all that are wanted
-- lowest_ids, highest_ids          uuid[]           ranges of ids that are not wanted
-- queues, no_queues … no_keys      text[]           patterns of LIKE
-- tags, no_tags                    text[]           patterns of LIKE, of what queues are declared with
-- errors … no_notes                text[]           patterns of ILIKE
-- attempts … no_priorities         int4multirange
-- since, until                     timestamptz      …
-- since_s, until_s                 double precision … or how many seconds ago
-- terms                            jsonb
slice.state = ANY (%(states)s::text[])
AND (%(lowest_ids)s::uuid[] IS NULL OR NOT EXISTS (
    SELECT FROM unnest(%(lowest_ids)s::uuid[], %(highest_ids)s::uuid[]) AS unwanted (low, high)
    WHERE slice.id BETWEEN unwanted.low AND unwanted.high
))
AND (%(queues)s::text[] IS NULL OR slice.queue LIKE ANY (%(queues)s))
AND (%(no_queues)s::text[] IS NULL OR slice.queue NOT LIKE ALL (%(no_queues)s))
AND (%(funcs)s::text[] IS NULL OR slice.func LIKE ANY (%(funcs)s))
AND (%(no_funcs)s::text[] IS NULL OR slice.func NOT LIKE ALL (%(no_funcs)s))
AND (%(workers)s::text[] IS NULL OR slice.worker LIKE ANY (%(workers)s))
AND (%(no_workers)s::text[] IS NULL OR slice.worker IS NULL OR slice.worker NOT LIKE ALL (%(no_workers)s))
AND (%(keys)s::text[] IS NULL OR slice.unique_key LIKE ANY (%(keys)s))
AND (%(no_keys)s::text[] IS NULL OR slice.unique_key IS NULL OR slice.unique_key NOT LIKE ALL (%(no_keys)s))
AND (%(tags)s::text[] IS NULL OR slice.queue = ANY (ARRAY(
    SELECT name FROM {schema}.queues WHERE EXISTS (SELECT FROM unnest(queues.tags) AS tag WHERE tag LIKE ANY (%(tags)s))
)))
AND (%(no_tags)s::text[] IS NULL OR slice.queue <> ALL (ARRAY(
    SELECT name FROM {schema}.queues WHERE EXISTS (SELECT FROM unnest(queues.tags) AS tag WHERE tag LIKE ANY (%(no_tags)s))
)))
AND (%(errors)s::text[] IS NULL OR
     nullif(concat_ws(': ', slice.errors -> -1 ->> 'type', slice.errors -> -1 ->> 'message'), '') ILIKE ANY (%(errors)s))
AND (%(no_errors)s::text[] IS NULL OR
     coalesce(nullif(concat_ws(': ', slice.errors -> -1 ->> 'type', slice.errors -> -1 ->> 'message'), '') NOT ILIKE ALL (%(no_errors)s), true))
AND (%(notes)s::text[] IS NULL OR slice.note ILIKE ANY (%(notes)s))
AND (%(no_notes)s::text[] IS NULL OR slice.note IS NULL OR slice.note NOT ILIKE ALL (%(no_notes)s))
AND (%(attempts)s::int4multirange IS NULL OR slice.attempts <@ %(attempts)s::int4multirange)
AND (%(no_attempts)s::int4multirange IS NULL OR NOT slice.attempts <@ %(no_attempts)s::int4multirange)
AND (%(priorities)s::int4multirange IS NULL OR slice.priority <@ %(priorities)s::int4multirange)
AND (%(no_priorities)s::int4multirange IS NULL OR NOT slice.priority <@ %(no_priorities)s::int4multirange)
AND (%(since)s::timestamptz IS NULL OR slice.moment >= %(since)s)
AND (%(since_s)s::double precision IS NULL OR slice.moment >= now() - make_interval(secs => %(since_s)s))
AND (%(until)s::timestamptz IS NULL OR slice.moment < %(until)s)
AND (%(until_s)s::double precision IS NULL OR slice.moment < now() - make_interval(secs => %(until_s)s))
AND (%(terms)s::jsonb IS NULL OR NOT EXISTS (
    SELECT FROM terms
    CROSS JOIN LATERAL (SELECT CASE terms.of WHEN 'kwargs' THEN slice.kwargs ELSE slice.meta END AS json) AS document
    WHERE terms.negated = (((
        -- A text that PostgreSQL cannot store, which json may hold as an escape, would fail the whole search.
        CASE WHEN strpos(document.json::text, '\u') > 0
              AND (getdatabaseencoding() <> 'UTF8'
                   OR regexp_replace(document.json::text, '\\u[dD][89abAB]..\\u[dD][c-fC-F]..', '', 'g')
                      ~ '\\u(0000|[dD][89a-fA-F])')
             THEN NULL
             ELSE coalesce(document.json #>> terms.path, (document.json #> terms.path)::text)
        END
    ) LIKE ANY (terms.likes)) IS TRUE)
))
