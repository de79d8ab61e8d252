"""Other queues. One driver a file; `run.py` runs it with the Python of its own environment."""
