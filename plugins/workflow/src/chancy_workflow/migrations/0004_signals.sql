-- compatible: yes
-- without transaction
-- read_gauges, find_late: the steps that wait for their signals, beside however many there are of other kinds.
CREATE INDEX CONCURRENTLY workflow_steps_signals ON {schema}.workflow_steps (begun_at) WHERE kind = 'wait' AND state = 'open'
