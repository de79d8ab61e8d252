"""The kernel of Chancy: it stores jobs and hands them out. Everything else is a plugin."""
