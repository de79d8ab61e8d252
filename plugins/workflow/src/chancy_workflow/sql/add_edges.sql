-- Store which steps of a run come after which.
--
-- run    uuid
-- edges  json   an array of objects with the columns below
INSERT INTO {schema}.workflow_edges (run, parent, child, on_end)
SELECT %(run)s::uuid, parent, child, on_end
FROM json_to_recordset(%(edges)s::json) AS given (parent integer, child integer, on_end text)
