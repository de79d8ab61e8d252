"""The job that is measured."""


async def nothing(*, n: int) -> None:
    """Does nothing."""
