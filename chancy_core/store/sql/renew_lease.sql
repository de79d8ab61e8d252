-- Prolong a worker's lease. Returns no row if it is no longer known: others have taken its jobs.
--
-- worker        text
-- lease_s       double precision
-- status        text              JSON of what it says of itself; NULL: as it said before
-- status_age_s  double precision  how long ago that was found
UPDATE {schema}.workers
SET lease_until = now() + make_interval(secs => %(lease_s)s),
    seen_at = now(),
    status = coalesce(%(status)s::json, status),
    status_at = CASE
        WHEN %(status)s::text IS NULL THEN status_at
        ELSE now() - make_interval(secs => %(status_age_s)s)
    END
WHERE worker = %(worker)s
RETURNING worker
