-- Forget all jobs of a benchmark's schema, and give their room back.
TRUNCATE {schema}.jobs, {schema}.finished_jobs
