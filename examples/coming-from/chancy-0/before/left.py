import os

import psycopg

with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
    left = connection.execute(
        "SELECT count(*) FROM chancy_jobs WHERE state IN ('pending', 'running', 'retrying')"
    ).fetchone()
print(left[0], "left")
