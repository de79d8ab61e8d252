-- Elect `holder` if nobody's lease holds, or if it holds the row without knowing so, because the answer to its last
-- election was lost. Raises the term. Returns one row: whether it was elected; the term, the holder, and the seconds
-- left of the lease that is in force now, below zero if somebody else's election has only just gone before it.
--
-- holder   text
-- lease_s  double precision
--
-- Without a holder there is no lease, whatever its time says. Whoever finds the lease held only reads. There is one row;
-- no index matters.
WITH elected AS (
    UPDATE {schema}.leadership
    SET holder = %(holder)s,
        term = term + 1,
        elected_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s),
        lease_s = %(lease_s)s
    WHERE lease_until <= clock_timestamp() OR holder = %(holder)s OR holder IS NULL
    RETURNING holder, term, lease_until
)
SELECT true AS elected, term, holder, extract(epoch FROM lease_until - clock_timestamp())::float8 AS left_s
FROM elected
UNION ALL
SELECT false, term, holder,
       CASE WHEN isfinite(lease_until) THEN extract(epoch FROM lease_until - clock_timestamp())::float8
            ELSE 'Infinity'::float8 END
FROM {schema}.leadership
WHERE NOT EXISTS (SELECT FROM elected)
