-- The record of what has been applied. Everything else, plugins' tables included, is numbered after it.
CREATE TABLE IF NOT EXISTS {schema}.migrations (
    owner      text        NOT NULL,
    version    integer     NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT migrations_pkey PRIMARY KEY (owner, version)
);

-- The oldest version of the owner's code that works with the tables from here on, and what tells the step from an edited
-- one. NULL: code that knew neither has applied it.
ALTER TABLE {schema}.migrations
    ADD COLUMN IF NOT EXISTS oldest   integer,
    ADD COLUMN IF NOT EXISTS checksum text;
