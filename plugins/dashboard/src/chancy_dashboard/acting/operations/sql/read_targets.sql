-- A batch of an operation's jobs: (ids, states, claims). Uses dashboard_targets_pkey.
--
-- operation  uuid
-- batch      integer
SELECT ids, states, claims
FROM {schema}.dashboard_targets
WHERE operation = %(operation)s AND batch = %(batch)s
