"""What people do: to a job, to a queue, to everything that a query finds, and what they push."""
