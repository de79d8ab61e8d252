-- How many bytes of WAL have been written since the server was made, for `chancy bench`. Any role may ask.
SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint
