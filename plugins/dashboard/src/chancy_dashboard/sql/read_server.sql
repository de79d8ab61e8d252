-- Which database answers, as people call it: (database, user, version, replica).
SELECT current_database()::text, current_user::text, split_part(current_setting('server_version'), ' ', 1),
       pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on'
