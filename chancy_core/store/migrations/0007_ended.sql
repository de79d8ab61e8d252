-- compatible: yes
-- Which plugins want to hear of every end of a job, and what they have not heard yet.

-- One row a plugin that has the hook on_end, made by the first worker that was started with it.
CREATE TABLE {schema}.listeners (
    plugin   text        NOT NULL,
    -- When a worker that has the plugin last said so. One that nobody has any more is forgotten, with its rows in ended.
    heard_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT listeners_pkey PRIMARY KEY (plugin)
);

-- An end that a plugin has yet to be told: the job ended where the plugin was not, or it failed just then. Empty where
-- every worker has every plugin. No constraint but the key, because nothing here may keep a job from ending.
CREATE TABLE {schema}.ended (
    number     bigint      GENERATED ALWAYS AS IDENTITY,
    plugin     text        NOT NULL,
    id         uuid        NOT NULL,
    claims     integer     NOT NULL,
    queue      text        NOT NULL,
    func       text        NOT NULL,
    state      text        NOT NULL,
    how        text        NOT NULL,
    attempts   integer     NOT NULL,
    unique_key text,
    note       text,
    meta       json,
    at         timestamptz NOT NULL DEFAULT now(),
    -- How often the plugin has failed to hear it, and when it is told again.
    tries      integer     NOT NULL DEFAULT 0,
    due_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT ended_pkey PRIMARY KEY (number)
);
-- take_ended, beat
CREATE INDEX ended_due ON {schema}.ended (plugin, due_at);

-- Every statement that ends jobs writes here: whoever may write jobs may do so, or an upgrade would stop them.
DO LANGUAGE plpgsql $$
DECLARE
    role text;
BEGIN
    FOR role IN
        SELECT DISTINCT CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END
        FROM pg_class, aclexplode(relacl)
        WHERE pg_class.oid = '{schema}.jobs'::regclass AND privilege_type = 'DELETE'
    LOOP
        EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON {schema}.listeners, {schema}.ended TO %s', role);
    END LOOP;
END
$$;
