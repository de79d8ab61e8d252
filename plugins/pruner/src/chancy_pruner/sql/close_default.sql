-- Reads the default partition once, so that none of the attachments that follow has to.
ALTER TABLE {schema}.{default} ADD CONSTRAINT pruner_gap CHECK (finished_at < {from_at} OR finished_at >= {to_at})
