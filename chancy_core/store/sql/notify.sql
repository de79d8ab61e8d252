-- Tell the workers, when this transaction commits; nobody while the queue of notifications is half full or more, because
-- a full one would fail the commit. What a notification tells is found without it too.
--
-- channel   text
-- payloads  text[]
SELECT CASE WHEN pg_notification_queue_usage() < 0.5 THEN pg_notify(%(channel)s, payload) END
FROM unnest(%(payloads)s::text[]) AS payload
