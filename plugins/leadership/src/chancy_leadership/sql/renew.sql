-- Prolong the lease of `holder` in `term`. Returns the term; no row if it leads no longer.
--
-- holder   text
-- term     bigint
-- lease_s  double precision
UPDATE {schema}.leadership
SET lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s), lease_s = %(lease_s)s
WHERE holder = %(holder)s AND term = %(term)s
RETURNING term
