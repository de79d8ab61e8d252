-- Which database answers, as people call it: (database, user, version, replica, behind_s): how old what a standby
-- shows is, in seconds; NULL: it is none.
SELECT current_database()::text, current_user::text, split_part(current_setting('server_version'), ' ', 1),
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on',
       CASE
           WHEN NOT pg_is_in_recovery() THEN NULL
           WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
           ELSE extract(epoch FROM now() - pg_last_xact_replay_timestamp())
       END::double precision
