"""How it looks: numbers, times, JSON, tracebacks, queries and drawings for people, and the templates' surroundings."""
