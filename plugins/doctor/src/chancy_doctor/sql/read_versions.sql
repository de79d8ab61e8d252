-- Which migrations were applied last: (owner, version). The registry, which every role that works here may read.
SELECT owner, max(version) FROM {schema}.migrations GROUP BY owner
