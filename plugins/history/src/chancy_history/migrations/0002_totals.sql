-- compatible: yes
-- Whole hours of all queues together: ninety days of five hundred queues are a million rows of hours, and a page has a second.

CREATE TABLE {schema}.history_totals (
    -- The beginning of the hour.
    at       timestamptz      NOT NULL,
    started  bigint           NOT NULL,
    first    bigint           NOT NULL,
    -- Jobs that ended by a run, and runs that failed.
    finished bigint           NOT NULL,
    bad      bigint           NOT NULL,
    wait_s   double precision NOT NULL,
    -- How many jobs waited, the mean of the hour. NULL: it is not known, or they were too many to be counted.
    pending  double precision,
    CONSTRAINT history_totals_pkey PRIMARY KEY (at)
);

CREATE VIEW {schema}.history_totals_v1 AS
SELECT at, 3600 AS step_s, started, first, finished, bad, wait_s, pending FROM {schema}.history_totals;
