-- Who leads, or led last, and the seconds left of its lease. Term 0: nobody ever led.
--
-- Times that Python cannot read, which only another's hand can have written, are the nearest that it can.
SELECT holder,
       term,
       least(greatest(elected_at, '1970-01-01 00:00+00'), '9999-01-01 00:00+00') AS elected_at,
       least(greatest(lease_until, '1970-01-01 00:00+00'), '9999-01-01 00:00+00') AS lease_until,
       CASE WHEN isfinite(lease_until) THEN extract(epoch FROM lease_until - clock_timestamp())::float8
            WHEN lease_until > clock_timestamp() THEN 'Infinity'::float8 ELSE 0 END AS left_s
FROM {schema}.leadership
