-- What jobs may carry beside their work: an expiry, progress, a request to cancel them, and what a run took.

ALTER TABLE {schema}.jobs
    ADD COLUMN expires_at  timestamptz,
    ADD COLUMN progress    json,
    -- Why a running job is to be cancelled; whoever gives such a job back gives it up.
    ADD COLUMN cancel_note text,
    ADD CONSTRAINT jobs_expires_at CHECK (expires_at BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00');

ALTER TABLE {schema}.finished_jobs
    ADD COLUMN expires_at timestamptz,
    ADD COLUMN progress   json,
    ADD COLUMN run_s      real,
    ADD COLUMN peak_bytes bigint;

-- sweep_jobs, next_due. A job that has spent an attempt does not expire.
CREATE INDEX jobs_expiring ON {schema}.jobs (expires_at)
    WHERE expires_at IS NOT NULL AND attempts = 0 AND worker IS NULL;
-- find_cancelled, sweep_jobs
CREATE INDEX jobs_cancelled ON {schema}.jobs (worker) WHERE cancel_note IS NOT NULL;
