-- Keep what came of a batch, in the transaction in which it was done.
--
-- id          uuid
-- next_batch  integer
-- done        json   of all batches so far
-- skipped     json
UPDATE {schema}.dashboard_operations
SET next_batch = %(next_batch)s, done = %(done)s, skipped = %(skipped)s
WHERE id = %(id)s
