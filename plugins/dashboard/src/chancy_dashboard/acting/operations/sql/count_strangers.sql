-- How many of these jobs an operation is not about. Uses dashboard_targets_pkey.
--
-- operation  uuid
-- ids        uuid[]
SELECT count(*)
FROM unnest(%(ids)s::uuid[]) AS found (id)
WHERE id NOT IN (
    SELECT unnest(ids)
    FROM {schema}.dashboard_targets
    WHERE operation = %(operation)s
)
