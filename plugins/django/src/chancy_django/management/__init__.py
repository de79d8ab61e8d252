"""What `manage.py` has from here."""
