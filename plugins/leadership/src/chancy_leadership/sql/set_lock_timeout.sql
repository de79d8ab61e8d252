-- How long a statement of this session waits for a lock.
--
-- lock_ms    text   milliseconds
SELECT set_config('lock_timeout', %(lock_ms)s, false)
