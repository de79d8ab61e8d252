"""A package whose functions may be run, with whatever stands beside functions in such a package."""

from allowed_app.mail import send

__all__ = ["send"]
