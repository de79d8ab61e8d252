-- How long a worker's lease is, so that one which lies further ahead than it can is seen: the clock was set back. NULL:
-- the worker is of an older version.
ALTER TABLE {schema}.workers ADD COLUMN lease_s double precision;
