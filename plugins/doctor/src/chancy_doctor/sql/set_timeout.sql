-- How long the statements of this transaction may take.
--
-- ms  text   milliseconds
SELECT set_config('statement_timeout', %(ms)s, true)
