-- Dropping a partition locks its parent in this way; it is locked beforehand, so that the wait is one of its own.
LOCK TABLE ONLY {schema}.{parent} IN ACCESS EXCLUSIVE MODE
