-- End the lease of `holder`, in whatever term, and wake those who wait to be elected. Without a holder, no renewal that
-- is still on its way can bring it back. Returns the term; no row if it does not lead.
--
-- holder   text
-- channel  text; NULL: wake nobody
WITH resigned AS (
    UPDATE {schema}.leadership
    SET holder = NULL, lease_until = clock_timestamp()
    WHERE holder = %(holder)s
    RETURNING term
)
SELECT term, CASE WHEN %(channel)s::text IS NOT NULL AND pg_notification_queue_usage() < 0.5 THEN pg_notify(%(channel)s, term::text) END
FROM resigned
