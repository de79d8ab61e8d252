-- Elect `holder` if nobody's lease holds, or if it holds the row without knowing so, because the answer to its last
-- election was lost. Raises the term. Returns one row: whether it was elected; the term, the holder, and the seconds
-- left of the lease that is in force now. No row if somebody else's election has only just gone before it.
--
-- holder   text
-- lease_s  double precision
--
-- Whoever finds the lease held only reads. The row is one page's; no index matters.
WITH elected AS (
    INSERT INTO {schema}.leadership AS led (holder, term, elected_at, lease_until)
    SELECT %(holder)s::text, 1, clock_timestamp(), clock_timestamp() + make_interval(secs => %(lease_s)s)
    WHERE NOT EXISTS (
        SELECT FROM {schema}.leadership
        WHERE lease_until > clock_timestamp() AND holder IS DISTINCT FROM %(holder)s::text
    )
    ON CONFLICT (one) DO UPDATE
    SET holder = excluded.holder,
        term = led.term + 1,
        elected_at = excluded.elected_at,
        lease_until = excluded.lease_until
    WHERE led.lease_until <= clock_timestamp() OR led.holder IS NOT DISTINCT FROM excluded.holder
    RETURNING led.holder, led.term, led.lease_until
)
SELECT true AS elected, term, holder, extract(epoch FROM lease_until - clock_timestamp())::float8 AS left_s
FROM elected
UNION ALL
SELECT false, term, holder, extract(epoch FROM lease_until - clock_timestamp())::float8
FROM {schema}.leadership
WHERE NOT EXISTS (SELECT FROM elected)
