-- Leave these ends, which are being recorded in this transaction, for plugins that failed to hear of them just now. One that
-- no worker has had yet, because it is an application that called it, is a listener from now on: what is kept for others is
-- dropped.
--
-- plugins      text[]
-- id           uuid[]      and so on: one array a column, as they are told
-- claims       integer[]
-- queue        text[]
-- func         text[]
-- state        text[]
-- how          text[]
-- attempts     integer[]
-- unique_key   text[]
-- note         text[]
-- meta         text[]      JSON
WITH listening AS (
    INSERT INTO {schema}.listeners (plugin)
    SELECT unnest(%(plugins)s::text[]) AS plugin
    -- In one order, as listen.
    ORDER BY plugin
    ON CONFLICT (plugin) DO NOTHING
)
INSERT INTO {schema}.ended (plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta)
SELECT plugin, id, claims, queue, func, state, how, attempts, unique_key, note, meta::json
FROM unnest(%(plugins)s::text[]) AS failed (plugin),
     unnest(
         %(id)s::uuid[], %(claims)s::integer[], %(queue)s::text[], %(func)s::text[], %(state)s::text[], %(how)s::text[],
         %(attempts)s::integer[], %(unique_key)s::text[], %(note)s::text[], %(meta)s::text[]
     ) AS given (id, claims, queue, func, state, how, attempts, unique_key, note, meta)
