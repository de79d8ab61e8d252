-- The replication slots that nobody uses, and how much WAL the server keeps for each: (name, type, bytes, lost), the most first.
--
-- lost  whether WAL that it needs is gone, so that it can never be used again
SELECT slot_name::text,
       slot_type,
       coalesce(pg_wal_lsn_diff(
           CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, restart_lsn
       ), 0)::bigint,
       coalesce(wal_status = 'lost', false)
FROM pg_replication_slots
WHERE NOT active
ORDER BY 3 DESC
LIMIT 20
