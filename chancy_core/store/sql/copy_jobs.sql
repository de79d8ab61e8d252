-- Store many jobs without a unique_key. The default of created_at is the transaction's start.
COPY {schema}.jobs (
    id, queue, func, priority, max_attempts, state, scheduled_at, kwargs, meta, limits, options, expires_at
) FROM STDIN (ENCODING 'UTF8')
