-- Give up statements of this transaction that take long.
--
-- ms  text
SELECT set_config('statement_timeout', %(ms)s::text, true)
