-- A commit that waits for the disk as any other does, and changes nothing: a message in the WAL that nobody reads. For
-- `chancy bench`. Any role may send it.
SELECT pg_logical_emit_message(true, 'chancy_bench', '')
