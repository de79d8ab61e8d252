-- Which steps of a run come after which. Uses workflow_edges_pkey.
--
-- run  uuid
SELECT parent, child, on_end FROM {schema}.workflow_edges WHERE run = %(run)s::uuid ORDER BY parent, child
