"""Acting on everything that a filter finds, as something that outlives the process that does it."""
