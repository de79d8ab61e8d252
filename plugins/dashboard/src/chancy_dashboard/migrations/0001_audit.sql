-- Who did what by the dashboard, to how many, from where and why.

CREATE TABLE {schema}.dashboard_audit (
    id      bigint      GENERATED ALWAYS AS IDENTITY,
    at      timestamptz NOT NULL DEFAULT now(),
    who     text        NOT NULL,
    -- An address.
    source  text        NOT NULL,
    action  text        NOT NULL,
    -- What it was done to, for people to read.
    subject text        NOT NULL,
    state   text        NOT NULL,
    -- How many jobs it changed. NULL: it is not about jobs, or is not over.
    jobs    bigint,
    -- What its doer was told.
    said    text        NOT NULL DEFAULT '',
    reason  text        NOT NULL DEFAULT '',
    CONSTRAINT dashboard_audit_pkey PRIMARY KEY (id),
    CONSTRAINT dashboard_audit_state CHECK (state IN ('begun', 'done', 'failed', 'refused'))
);

-- find_audit_of
CREATE INDEX dashboard_audit_subject ON {schema}.dashboard_audit (subject, id);
