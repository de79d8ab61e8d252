-- Make a worker known, with a lease.
--
-- worker   text
-- tags     text[]
-- lease_s  double precision
INSERT INTO {schema}.workers (worker, tags, lease_s, lease_until)
VALUES (%(worker)s, %(tags)s, %(lease_s)s, clock_timestamp() + make_interval(secs => %(lease_s)s))
-- Two of its own may find at the same time that it is no longer known.
ON CONFLICT (worker) DO UPDATE SET lease_until = EXCLUDED.lease_until, lease_s = EXCLUDED.lease_s, seen_at = now()
