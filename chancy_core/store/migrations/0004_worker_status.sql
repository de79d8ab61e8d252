-- What a worker says of its plugins, for people to look at; nothing depends on it.
ALTER TABLE {schema}.workers
    ADD COLUMN status    json,
    ADD COLUMN status_at timestamptz;
