"""Functions that the tests of the form push."""

from __future__ import annotations

from enum import Enum


class Locale(Enum):
    """A choice."""

    AT = "de-AT"
    GB = "en-GB"


async def send(*, user: int, locale: Locale = Locale.AT, token: str = "", loud: bool = False, more: dict | None = None):
    """Sends something to a user."""


async def anything(**kwargs):
    """Takes whatever it is given."""
