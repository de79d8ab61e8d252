-- Let a lease begin now that lies further ahead than it is long: the clock was set back since it was renewed, or somebody
-- has written it by hand. Whoever holds it believes in it for no longer than that. Returns one row: the holder and the
-- term of the lease that was shortened; no row if there is none.
--
-- lease_s  double precision   how long it is if nobody has said so
UPDATE {schema}.leadership
SET lease_until = clock_timestamp() + make_interval(secs => coalesce(lease_s, %(lease_s)s))
WHERE lease_until > clock_timestamp() + make_interval(secs => coalesce(lease_s, %(lease_s)s))
RETURNING holder, term
