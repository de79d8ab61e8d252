-- How many queues are declared, readable or not.
SELECT count(*)::integer AS count FROM {schema}.queues_v1
