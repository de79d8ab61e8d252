-- End the sessions of Chancy that have asked something of this schema last, as a server does that restarts.
--
-- mention   text   what their statements have in them: the quoted name of the schema, between per cent signs
--
-- Returns (pid). The session that asks is not one of them, nor is that on which the jobs of a test are run.
SELECT pid
FROM pg_stat_activity
WHERE datname = current_database()
  AND pid <> pg_backend_pid()
  AND application_name LIKE 'chancy%%'
  AND application_name <> 'chancy test'
  AND query LIKE %(mention)s
  AND pg_terminate_backend(pid)
