-- Record that a step was applied.
-- owner     text     whose it is
-- version   integer  its number
-- oldest    integer  the oldest version of the owner's code that works with the tables from here on
-- checksum  text     of its statements
-- Index: migrations_pkey
INSERT INTO {schema}.migrations (owner, version, oldest, checksum)
VALUES (%(owner)s, %(version)s, %(oldest)s, %(checksum)s)
