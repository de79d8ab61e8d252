-- In the transaction that closed it: a default partition must take whatever comes.
ALTER TABLE {schema}.{default} DROP CONSTRAINT pruner_gap
