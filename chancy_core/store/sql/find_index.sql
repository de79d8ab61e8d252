-- Whether there is an index of this name in the schema, and whether it can be used: one whose making was broken off cannot.
-- index  text
-- Index: pg_class_relname_nsp_index
SELECT indisvalid
FROM pg_index
JOIN pg_class ON pg_class.oid = indexrelid
WHERE relname = %(index)s AND relnamespace = to_regnamespace('{schema}')
