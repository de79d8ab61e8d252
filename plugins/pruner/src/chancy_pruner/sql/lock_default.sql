-- Attaching locks the default partition in this way; it is locked beforehand, so that the wait is one of its own.
LOCK TABLE {schema}.{default} IN ACCESS EXCLUSIVE MODE
