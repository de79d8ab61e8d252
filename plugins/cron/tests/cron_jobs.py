"""Functions that the tests' jobs call."""

import asyncio
from typing import Any

from chancy import job


@job()
def note(*, word: str = "hello") -> str:
    return word


@job()
async def block() -> Any:
    await asyncio.sleep(60)
