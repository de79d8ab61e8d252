-- Which of these jobs are finished, and which exist at all: (id, finished).
--
-- ids   uuid[]
SELECT id, false FROM {schema}.jobs WHERE id = ANY (%(ids)s)
UNION ALL
SELECT id, true FROM {schema}.finished_jobs WHERE id = ANY (%(ids)s)
