-- How the transaction in which jobs end goes on: how long it waits for a lock, at most, because the jobs of whoever waits are
-- recorded after it; and that no plan reads a table once to compare all of it with each row of another.
--
-- ms  text
SELECT set_config('lock_timeout', %(ms)s::text, true), set_config('enable_material', 'off', true)
