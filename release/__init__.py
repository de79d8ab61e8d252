"""What `make release-check` does before anything is published: build, look inside, install, run."""
