-- Which session of the server this transaction runs in: its process.
SELECT pg_backend_pid()
