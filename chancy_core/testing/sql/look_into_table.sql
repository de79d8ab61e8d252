-- What tells whether a table has the same rows as before: how many, and what all of them say.
--
-- {number} and {table} are put in by whoever asks: which one it is, and its name, quoted.
--
-- Returns (number, count, rows). Reads the whole table: as a rule, tests have left nothing in it.
SELECT {number} AS number, count(*) AS count, md5(string_agg(found::text, ',' ORDER BY found::text)) AS rows
FROM {schema}.{table} AS found
