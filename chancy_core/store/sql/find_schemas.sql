-- The schemas of this database that hold Chancy's tables, for whoever misspelt the name of one.
-- Index: pg_class_relname_nsp_index, for both names.
SELECT namespace.nspname
FROM pg_class AS registry
JOIN pg_class AS jobs ON jobs.relnamespace = registry.relnamespace AND jobs.relname = 'finished_jobs'
JOIN pg_namespace AS namespace ON namespace.oid = registry.relnamespace
WHERE registry.relname = 'migrations'
ORDER BY namespace.nspname
