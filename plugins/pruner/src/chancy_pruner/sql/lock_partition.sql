-- At once or not at all: whoever uses the parent waits meanwhile, and a vacuum of the partition may take its time.
LOCK TABLE {schema}.{partition} IN ACCESS EXCLUSIVE MODE NOWAIT
