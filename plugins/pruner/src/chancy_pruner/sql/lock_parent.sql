-- One at a time makes partitions of an outcome. Nobody who reads or writes jobs waits for this.
LOCK TABLE {schema}.{parent} IN SHARE UPDATE EXCLUSIVE MODE
