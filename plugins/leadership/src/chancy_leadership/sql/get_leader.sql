-- Who leads, or led last, and the seconds left of its lease. Term 0: nobody ever led.
SELECT holder, term, elected_at, lease_until, extract(epoch FROM lease_until - clock_timestamp())::float8 AS left_s
FROM {schema}.leadership
