-- The record of what has been applied. Everything else, plugins' tables included, is numbered after it.
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    owner      text        NOT NULL,
    version    integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migrations_pkey PRIMARY KEY (owner, version)
);
