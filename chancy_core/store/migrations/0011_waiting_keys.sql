-- compatible: yes
-- without transaction
-- insert_waiting, find_waiting: the promise about keys of which one job may wait. Of the jobs that were never claimed, no two
-- have the same. A job that was claimed once has a NULL there, which equals nothing: so whatever brings it back to wait
-- (a retry, a snooze, a rescue, a hand-back) can never be refused, and never waits for somebody who pushes.
CREATE UNIQUE INDEX CONCURRENTLY jobs_waiting_key ON {schema}.jobs (waiting_key, (CASE WHEN claims = 0 THEN 0 END))
    WHERE waiting_key IS NOT NULL
