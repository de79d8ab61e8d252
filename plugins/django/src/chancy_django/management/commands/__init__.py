"""The command `manage.py chancy`."""
