"""What is looked up: the dashboard's own connections, one look for all who look, and what several pages know of it."""
