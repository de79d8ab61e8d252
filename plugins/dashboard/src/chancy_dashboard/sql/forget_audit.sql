-- Forget entries that are older, at most a thousand at a time.
--
-- days  integer
--
-- Numbers ascend with time, so the oldest come first by dashboard_audit_pkey.
DELETE FROM {schema}.dashboard_audit
WHERE id IN (
    SELECT id
    FROM (SELECT id, at FROM {schema}.dashboard_audit ORDER BY id LIMIT 1000) AS oldest
    WHERE at < now() - make_interval(days => %(days)s)
)
