"""Jobs that fail in several ways."""

import json


async def parse(text: str) -> object:
    """Fails inside of the standard library, on behalf of the line below."""
    return json.loads(text)


async def divide(by: int) -> float:
    """Fails in a function of its own."""
    return _divide(1, by)


def _divide(number: int, by: int) -> float:
    return number / by
