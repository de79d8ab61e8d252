-- Let leases that lie further ahead than they can begin now: the database's clock was set back since they were renewed.
--
-- lease_s  double precision   for rows that do not say how long theirs is
--
-- Returns the workers. One that lives renews its lease anyway; one that is lost is found so in time.
UPDATE {schema}.workers
SET lease_until = clock_timestamp() + make_interval(secs => coalesce(lease_s, %(lease_s)s))
WHERE lease_until > clock_timestamp() + make_interval(secs => coalesce(lease_s, %(lease_s)s) + 1)
RETURNING worker
