-- What is deleted from this partition can be told to those who subscribe to it: without a primary key, by whole rows.
-- Otherwise a publication of deletes lets nobody delete. Costs nothing unless wal_level is logical.
ALTER TABLE {schema}.{partition} REPLICA IDENTITY FULL
