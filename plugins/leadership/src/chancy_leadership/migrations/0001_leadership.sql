-- Who leads: one row a schema, never deleted, so that terms only rise.
CREATE TABLE {schema}.leadership (
    one         boolean     NOT NULL DEFAULT true,
    -- NULL: the last leader has resigned, or there was none yet.
    holder      text,
    term        bigint      NOT NULL DEFAULT 0,
    elected_at  timestamptz,
    lease_until timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT leadership_pkey PRIMARY KEY (one),
    CONSTRAINT leadership_one CHECK (one),
    CONSTRAINT leadership_elected CHECK (term > 0 AND elected_at IS NOT NULL OR term = 0 AND holder IS NULL),
    -- Not for what it forbids: it makes the term part of a key, so that an election waits for those who hold the row
    -- FOR KEY SHARE (a fence), and a renewal, which leaves the term as it is, does not.
    CONSTRAINT leadership_term UNIQUE (term)
) WITH (
    -- Renewals reuse the space of earlier ones on the same page.
    fillfactor = 10
);

INSERT INTO {schema}.leadership DEFAULT VALUES;
