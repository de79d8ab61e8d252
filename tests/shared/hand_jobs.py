"""Jobs that raise what nobody would."""

from chancy import Snooze


async def snooze_for(delay: str) -> None:
    """Snoozes for what is no time."""
    verdict = Snooze(1)
    verdict.delay_s = delay if delay == "text" else float(delay)
    raise verdict
