-- Say that a benchmark's schema is in use, until this session ends; the answer: whether nobody else uses it.
--
-- name  of the schema
SELECT pg_try_advisory_lock(hashtextextended(%(name)s, 0))
