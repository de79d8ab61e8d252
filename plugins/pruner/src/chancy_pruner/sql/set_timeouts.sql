-- For the length of the transaction, how long one statement may wait for a lock, and how long it may take altogether.
--
-- lock_ms        text   milliseconds
-- statement_ms   text   milliseconds; 0: as long as it takes
SELECT set_config('lock_timeout', %(lock_ms)s, true), set_config('statement_timeout', %(statement_ms)s, true)
