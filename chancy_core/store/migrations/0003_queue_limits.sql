-- Limits of a queue across all workers: kept here, enforced by plugins.
ALTER TABLE {schema}.queues
    ADD COLUMN rate_limit         integer,
    ADD COLUMN rate_limit_window  double precision NOT NULL DEFAULT 1,
    ADD COLUMN global_concurrency integer,
    ADD CONSTRAINT queues_rate_limit CHECK (rate_limit >= 1),
    ADD CONSTRAINT queues_rate_limit_window CHECK (rate_limit_window > 0),
    ADD CONSTRAINT queues_global_concurrency CHECK (global_concurrency >= 1);
