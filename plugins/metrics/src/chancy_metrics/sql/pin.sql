-- For the length of this transaction: give up early, and walk indexes only.
--
-- statement_ms  text   the longest statement, in milliseconds
-- lock_ms       text   the longest wait for a lock, in milliseconds
--
-- Metrics are read while something is wrong, which is when statistics are stale and locks are held. A table that looks
-- empty to its statistics would be read from end to end; with the scans of whole tables switched off, each statement
-- stops at its limit.
SELECT set_config('statement_timeout', %(statement_ms)s, true),
       set_config('lock_timeout', %(lock_ms)s, true),
       set_config('enable_seqscan', 'off', true),
       set_config('enable_bitmapscan', 'off', true),
       set_config('jit', 'off', true)
