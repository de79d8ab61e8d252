"""Templates of what the dashboard shows of chancy-doctor."""
