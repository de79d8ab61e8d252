-- Begin an operation: its jobs are still to be counted. Done again, because the answer was lost, it is there once.
--
-- id         uuid
-- action     text
-- options    json
-- filter     text
-- queue      text   the one queue that its jobs have to be in; NULL: any
-- made_by    text
-- made_from  text
INSERT INTO {schema}.dashboard_operations (id, action, options, filter, queue, made_by, made_from)
VALUES (%(id)s, %(action)s, %(options)s, %(filter)s, %(queue)s, %(made_by)s, %(made_from)s)
ON CONFLICT (id) DO NOTHING
