-- Takes SHARE UPDATE EXCLUSIVE on the parent, so that finishing goes on; the default partition is locked already.
ALTER TABLE {schema}.{parent} ATTACH PARTITION {schema}.{partition} FOR VALUES FROM ({from_at}) TO ({to_at})
