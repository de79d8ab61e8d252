"""The templates of the pages that the dashboard shows."""
