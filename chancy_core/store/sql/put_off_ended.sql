-- Tell these ends again later: the plugin that was told of them failed.
--
-- numbers   bigint[]
-- most_s    double precision   how long the pause is at most; it begins with a second, and doubles
--
-- Uses ended_pkey.
UPDATE {schema}.ended
SET tries = tries + 1,
    due_at = now() + make_interval(secs => least(2 ^ least(tries, 30), %(most_s)s))
WHERE number = ANY (%(numbers)s::bigint[])
