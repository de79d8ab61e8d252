-- Elect `holder` if nobody's lease holds, or if it holds the row without knowing so, because the answer to its last
-- election was lost. Raises the term. Returns one row: whether it was elected; the term, the holder, and the seconds
-- left of the lease that is in force now, below zero if somebody else's election has only just gone before it.
--
-- holder   text
-- lease_s  double precision
--
-- Whoever finds the lease held only reads. There is one row; no index matters.
WITH elected AS (
    UPDATE {schema}.leadership
    SET holder = %(holder)s,
        term = term + 1,
        elected_at = clock_timestamp(),
        lease_until = clock_timestamp() + make_interval(secs => %(lease_s)s)
    WHERE lease_until <= clock_timestamp() OR holder = %(holder)s
    RETURNING holder, term, lease_until
)
SELECT true AS elected, term, holder, extract(epoch FROM lease_until - clock_timestamp())::float8 AS left_s
FROM elected
UNION ALL
SELECT false, term, holder, extract(epoch FROM lease_until - clock_timestamp())::float8
FROM {schema}.leadership
WHERE NOT EXISTS (SELECT FROM elected)
