-- Let this transaction change nothing, and none of its statements take longer than `ms`.
--
-- ms  text  milliseconds
SELECT set_config('transaction_read_only', 'on', true), set_config('statement_timeout', %(ms)s, true)
