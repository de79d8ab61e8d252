-- Remove a worker that stopped in good order.
--
-- worker   text
DELETE FROM {schema}.workers WHERE worker = %(worker)s
