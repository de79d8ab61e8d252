-- Who leads: one row a schema, made by the first election and never deleted, so that terms only rise.
CREATE TABLE {schema}.leadership (
    one         boolean     NOT NULL DEFAULT true,
    -- NULL: the last leader has resigned.
    holder      text,
    term        bigint      NOT NULL,
    elected_at  timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    CONSTRAINT leadership_pkey PRIMARY KEY (one),
    CONSTRAINT leadership_one CHECK (one),
    CONSTRAINT leadership_term_positive CHECK (term >= 1),
    -- Not for what it forbids: it makes the term part of a key, so that an election waits for those who hold the row
    -- FOR KEY SHARE (a fence), and a renewal, which leaves the term as it is, does not.
    CONSTRAINT leadership_term UNIQUE (term)
) WITH (
    -- Renewals reuse the space of earlier ones on the same page.
    fillfactor = 10
);
