-- compatible: yes
-- What became of each fire, and since when a schedule fires as it does.

ALTER TABLE {schema}.cron_fires
    -- The job that was pushed for it. NULL: none was, or it is not known.
    ADD COLUMN job text,
    -- Whether none was because the one before was not finished; `job` is that one then.
    ADD COLUMN skipped boolean NOT NULL DEFAULT false;

ALTER TABLE {schema}.cron_schedules
    -- When its times were declared or changed, or it was resumed: from then on each of them should have been fired.
    ADD COLUMN times_since timestamptz NOT NULL DEFAULT now();
