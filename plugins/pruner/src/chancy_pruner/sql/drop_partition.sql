-- The parent is locked for the few milliseconds until the commit. (Not DETACH CONCURRENTLY: PostgreSQL refuses that where
-- there is a default partition.) The files are removed after the locks were released.
DROP TABLE {schema}.{partition}
