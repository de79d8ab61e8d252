"""What is wrong with a Chancy, why that matters, and what to type against it."""

from chancy_doctor.plugin import Doctor

__all__ = ["Doctor"]
