-- A table that can become a partition without being read: its CHECK says what the bounds will say.
CREATE TABLE {schema}.{partition} (
    LIKE {schema}.{parent} INCLUDING ALL EXCLUDING INDEXES,
    CONSTRAINT pruner_bounds CHECK (finished_at >= {from_at} AND finished_at < {to_at})
)
