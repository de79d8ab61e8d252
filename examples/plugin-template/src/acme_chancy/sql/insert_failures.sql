-- Write down a batch of failures. What was raised is read from the public view, as long as the job is there.
--
-- jobs     uuid[]
-- claims   integer[]; with the job it names the failure
-- queues   text[]
-- funcs    text[]
-- notes    text[]; what there is to say where no error is recorded
INSERT INTO {schema}.acme_failures (job, claims, queue, func, error, message)
SELECT failed.job,
       failed.claims,
       failed.queue,
       failed.func,
       finished.error_type,
       coalesce(finished.error_message, failed.note)
FROM unnest(%(jobs)s::uuid[], %(claims)s::integer[], %(queues)s::text[], %(funcs)s::text[], %(notes)s::text[])
     AS failed (job, claims, queue, func, note)
LEFT JOIN {schema}.finished_jobs_v1 AS finished ON finished.id = failed.job AND finished.state = 'failed'
