-- For the length of the transaction, write times so that they can be read back, whatever the session's settings.
SELECT set_config('TimeZone', 'UTC', true), set_config('DateStyle', 'ISO, YMD', true)
