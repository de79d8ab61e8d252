-- The schemas that `chancy bench` has made and that this role may drop: their names.
SELECT nspname
FROM pg_namespace
WHERE nspname ~ '^chancy_bench_[0-9a-f]+_[0-9a-f]{6}p?$' AND pg_has_role(nspowner, 'USAGE')
ORDER BY nspname
