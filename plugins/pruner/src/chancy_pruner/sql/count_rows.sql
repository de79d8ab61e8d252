-- How many rows a partition has, counted in a sample.
--
-- share   real   per cent of the pages to look at; 100 counts exactly
SELECT count(*) FROM {schema}.{partition} TABLESAMPLE SYSTEM (%(share)s)
