"""Faults on purpose: real workers, a real PostgreSQL, and what is left afterwards."""
