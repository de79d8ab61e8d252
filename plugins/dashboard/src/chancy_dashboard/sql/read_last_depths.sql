-- How many jobs waited in each queue when chancy-history looked last: (queue, pending).
--
-- within_s  double precision  no longer ago than that
--
-- By history_depths_pkey, from its end.
SELECT queue, pending
FROM {schema}.history_depths_v1
WHERE at = (
    SELECT max(at) FROM {schema}.history_depths_v1 WHERE at >= now() - make_interval(secs => %(within_s)s)
) AND pending IS NOT NULL
