"""What the queue costs, beside bare psycopg loops that do the same work in the same run."""
