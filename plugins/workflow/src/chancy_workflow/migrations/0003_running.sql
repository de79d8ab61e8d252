-- compatible: yes
-- without transaction
-- read_gauges: how many runs are under way, and since when the oldest is, beside however many that ended and are kept.
CREATE INDEX CONCURRENTLY workflow_runs_running ON {schema}.workflow_runs (created_at) WHERE state = 'running'
