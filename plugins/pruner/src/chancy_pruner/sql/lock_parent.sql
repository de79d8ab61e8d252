-- One at a time makes partitions of an outcome. Nobody who reads or writes jobs waits for this.
LOCK TABLE ONLY {schema}.{parent} IN SHARE UPDATE EXCLUSIVE MODE
