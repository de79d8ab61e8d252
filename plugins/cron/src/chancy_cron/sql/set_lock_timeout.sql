-- How long a statement of this transaction waits for a lock, from now on.
--
-- lock_ms    text   milliseconds
SELECT set_config('lock_timeout', %(lock_ms)s, true)
