-- Make a worker known, with a lease.
--
-- worker   text
-- tags     text[]
-- queues   text[]            the names of those that it is to serve, with * for any characters; NULL: all
-- lease_s  double precision
INSERT INTO {schema}.workers (worker, tags, queues, lease_s, lease_until)
VALUES (%(worker)s, %(tags)s, %(queues)s, %(lease_s)s, clock_timestamp() + make_interval(secs => %(lease_s)s))
-- Two of its own may find at the same time that it is no longer known.
ON CONFLICT (worker) DO UPDATE SET lease_until = EXCLUDED.lease_until, lease_s = EXCLUDED.lease_s, seen_at = now()
