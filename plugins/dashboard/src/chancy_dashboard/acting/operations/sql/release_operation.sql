-- Let another process advance an operation, because this one ends.
--
-- id    uuid
-- term  bigint
UPDATE {schema}.dashboard_operations
SET lease_until = '-infinity'
WHERE id = %(id)s AND term = %(term)s
