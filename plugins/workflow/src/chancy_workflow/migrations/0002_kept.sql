-- compatible: yes
-- What jobs have kept of their own steps.

CREATE TABLE {schema}.workflow_kept (
    job   uuid        NOT NULL,
    name  text        NOT NULL,
    value json        NOT NULL,
    at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT workflow_kept_pkey PRIMARY KEY (job, name)
);

CREATE INDEX workflow_kept_at ON {schema}.workflow_kept (at);
