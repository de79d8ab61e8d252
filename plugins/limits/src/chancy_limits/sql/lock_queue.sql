-- Take the lock of a queue's limits until the transaction ends; those who wait for it get it in turn.
--
-- lock   text   of the schema and the queue
--
-- An advisory lock, because it writes nothing: a claim that finds no budget leaves no trace, and costs no flush.
SELECT pg_advisory_xact_lock(hashtextextended(%(lock)s, 0))
