-- What has been applied to this schema, and what is known of each step. A registry that older code has made lacks the last
-- two columns, and a row that it wrote has nothing in them: NULL.
-- Index: none, the table has a few dozen rows.
SELECT owner, version, (to_jsonb(registry) ->> 'oldest')::integer, to_jsonb(registry) ->> 'checksum'
FROM {schema}.migrations AS registry
ORDER BY owner, version
