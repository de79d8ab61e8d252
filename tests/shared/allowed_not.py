"""A module that no allow-list of the tests allows: importing it is seen by `sys.modules`."""

from typing import Any

from chancy_core.executors import Executor


def setup() -> None:
    """An initializer that must not be called."""


class Special(Executor):
    async def run(self, job: Any) -> Any:
        raise NotImplementedError
