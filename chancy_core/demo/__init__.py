"""`chancy demo`: a worker runs thousands of real jobs on a private PostgreSQL, and shows what happened."""
