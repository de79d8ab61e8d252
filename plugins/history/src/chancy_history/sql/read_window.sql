-- The beginning and the end of a time until now, by the database's clock: (since, until, first).
--
-- since_s  double precision  how long that is
-- step_s   integer           it begins at a multiple of this
SELECT
    date_bin(make_interval(secs => %(step_s)s), now() - make_interval(secs => %(since_s)s), 'epoch'),
    now(),
    least(
        (SELECT min(at) FROM {schema}.history_minutes),
        (SELECT min(at) FROM {schema}.history_hours),
        (SELECT min(at) FROM {schema}.history_depths)
    )
