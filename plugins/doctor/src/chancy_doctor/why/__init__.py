"""Why a job, or a queue, does not run now; a file for each."""
