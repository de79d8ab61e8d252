-- Write down a batch of failed jobs.
--
-- job      uuid[]
-- queue    text[]
-- func     text[]
-- error    text[]; the exception's class
-- message  text[]
INSERT INTO {schema}.acme_failures (job, queue, func, error, message)
SELECT * FROM unnest(
    %(job)s::uuid[], %(queue)s::text[], %(func)s::text[], %(error)s::text[], %(message)s::text[]
)
