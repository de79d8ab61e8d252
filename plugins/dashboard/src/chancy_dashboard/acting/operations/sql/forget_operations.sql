-- Forget operations that nobody confirmed, or that ended long ago. Uses dashboard_operations_made_at.
--
-- unconfirmed_s  double precision   how long one waits to be confirmed
-- kept_s         double precision   how long one is kept
DELETE FROM {schema}.dashboard_operations
WHERE made_at < now() - make_interval(secs => %(unconfirmed_s)s)
  AND lease_until < now()
  AND (
      confirmed_at IS NULL AND state IN ('counting', 'counted', 'stopped')
      OR made_at < now() - make_interval(secs => %(kept_s)s) AND state IN ('stopped', 'done', 'failed')
  )
