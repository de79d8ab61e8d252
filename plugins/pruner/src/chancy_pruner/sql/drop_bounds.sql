-- The bounds say it now.
ALTER TABLE {schema}.{partition} DROP CONSTRAINT pruner_bounds
