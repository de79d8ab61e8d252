-- compatible: yes
-- without transaction
-- One queue of five hundred over ninety days: a row in five hundred of those that the primary key finds.
CREATE INDEX CONCURRENTLY history_hours_queue ON {schema}.history_hours (queue, at)
