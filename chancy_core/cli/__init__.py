"""The `chancy` command."""
