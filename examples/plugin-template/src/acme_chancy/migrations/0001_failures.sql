-- What failed: one row a failure. The name tells whose table it is, since all plugins share a schema.
CREATE TABLE {schema}.acme_failures (
    job       uuid        NOT NULL,
    claims    integer     NOT NULL,
    queue     text        NOT NULL,
    func      text        NOT NULL,
    error     text,
    message   text,
    failed_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT acme_failures_pkey PRIMARY KEY (job, claims)
);

CREATE INDEX acme_failures_failed_at ON {schema}.acme_failures (failed_at);
