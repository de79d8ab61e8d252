"""From a request to its answer: pages, JSON, streams and whatever is written, with the audit of it."""
