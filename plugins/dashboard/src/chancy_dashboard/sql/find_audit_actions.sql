-- What was done lately: (action). Of the newest thousand entries, by dashboard_audit_pkey.
SELECT DISTINCT action
FROM (SELECT action FROM {schema}.dashboard_audit ORDER BY id DESC LIMIT 1000) AS lately
ORDER BY action
