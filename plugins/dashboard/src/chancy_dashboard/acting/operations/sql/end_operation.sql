-- End an operation, in the transaction of hold_operation.
--
-- id     uuid
-- state  text     done, stopped or failed
-- error  text     what went wrong; NULL: nothing
-- fresh  bigint   how many jobs match by now that were not counted; NULL: nobody looked
UPDATE {schema}.dashboard_operations
SET state = %(state)s, error = %(error)s, fresh = %(fresh)s, ended_at = clock_timestamp(), lease_until = '-infinity'
WHERE id = %(id)s
