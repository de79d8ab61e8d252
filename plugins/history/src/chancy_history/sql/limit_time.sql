-- How long a statement of this transaction may take, and wait for a lock, in milliseconds.
--
-- statement_ms  text
-- lock_ms       text
SELECT set_config('statement_timeout', %(statement_ms)s, true), set_config('lock_timeout', %(lock_ms)s, true)
