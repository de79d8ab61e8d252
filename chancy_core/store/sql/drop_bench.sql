-- Remove the schema of a benchmark, with all that is in it.
DROP SCHEMA IF EXISTS {schema} CASCADE
