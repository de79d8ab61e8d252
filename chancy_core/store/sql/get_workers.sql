-- Every worker that has not been forgotten, by name. Small: one row a worker.
SELECT worker, tags, started_at, extract(epoch FROM now() - seen_at)::double precision, lease_until > now(), status::text,
       extract(epoch FROM now() - status_at)::double precision, queues,
       extract(epoch FROM least(lease_until, now() + interval '1 year') - now())::double precision
FROM {schema}.workers
ORDER BY worker
