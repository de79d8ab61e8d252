-- How long this transaction waits for a lock, at most: the jobs of whoever waits are recorded after it.
--
-- ms  text
SELECT set_config('lock_timeout', %(ms)s::text, true)
