"""What tests need that run against a real PostgreSQL: those of the kernel, of its plugins, and yours."""
