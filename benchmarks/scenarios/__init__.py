"""One scenario a file; each has `scenario(bench)`."""
