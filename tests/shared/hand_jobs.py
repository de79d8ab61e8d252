"""Jobs that raise what nobody would."""

from chancy import Snooze


async def snooze_for(delay: str) -> None:
    """Snoozes for what is no time."""
    killed_for = Snooze(1)
    killed_for.delay_s = delay if delay == "text" else float(delay)
    raise killed_for
