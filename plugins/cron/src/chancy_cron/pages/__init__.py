"""The template of the page that the dashboard shows."""
