-- compatible: yes
-- Actions on everything that a filter finds: which jobs each is about, and how far it has come.

CREATE TABLE {schema}.dashboard_operations (
    id           uuid        NOT NULL,
    state        text        NOT NULL DEFAULT 'counting',
    -- What is done: a method of Chancy, and what it is given.
    action       text        NOT NULL,
    options      json        NOT NULL,
    -- Which jobs are meant: the filter with moments that stay, and the one queue that they have to be in.
    filter       text        NOT NULL,
    queue        text,
    -- Who, why, and from where.
    made_by      text        NOT NULL,
    made_from    text        NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now(),
    confirmed_by text,
    confirmed_at timestamptz,
    reason       text        NOT NULL DEFAULT '',
    -- Counting: the last id that was looked at, and what was found.
    after        uuid,
    counted      boolean     NOT NULL DEFAULT false,
    found        bigint      NOT NULL DEFAULT 0,
    by_state     json        NOT NULL DEFAULT '{}',
    batches      integer     NOT NULL DEFAULT 0,
    -- Acting: the next batch, and what came of those before it.
    next_batch   integer     NOT NULL DEFAULT 0,
    done         json        NOT NULL DEFAULT '{}',
    skipped      json        NOT NULL DEFAULT '{}',
    fresh        bigint,
    ended_at     timestamptz,
    error        text,
    -- Which process advances it. Each that takes it raises the term, and whoever has an old one writes nothing.
    holder       text,
    term         bigint      NOT NULL DEFAULT 0,
    lease_until  timestamptz NOT NULL DEFAULT '-infinity',
    CONSTRAINT dashboard_operations_pkey PRIMARY KEY (id),
    CONSTRAINT dashboard_operations_state CHECK (
        state IN ('counting', 'counted', 'running', 'stopping', 'stopped', 'done', 'failed')
    ),
    CONSTRAINT dashboard_operations_action CHECK (
        action IN ('cancel_jobs', 'retry_jobs', 'delete_jobs', 'update_jobs')
    )
);

CREATE INDEX dashboard_operations_made_at ON {schema}.dashboard_operations (made_at);

-- What has to be advanced: a handful of rows.
CREATE INDEX dashboard_operations_open ON {schema}.dashboard_operations (made_at)
WHERE state IN ('counting', 'running', 'stopping');

-- The jobs, as they were counted, a batch a row.
CREATE TABLE {schema}.dashboard_targets (
    operation uuid      NOT NULL,
    batch     integer   NOT NULL,
    ids       uuid[]    NOT NULL,
    states    text[]    NOT NULL,
    claims    integer[] NOT NULL,
    CONSTRAINT dashboard_targets_pkey PRIMARY KEY (operation, batch),
    CONSTRAINT dashboard_targets_operation FOREIGN KEY (operation)
        REFERENCES {schema}.dashboard_operations ON DELETE CASCADE,
    CONSTRAINT dashboard_targets_alike CHECK (
        cardinality(ids) = cardinality(states) AND cardinality(ids) = cardinality(claims)
    )
);
