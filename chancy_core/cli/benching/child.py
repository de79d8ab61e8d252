"""A worker's process for `chancy bench`.

It is told its settings by the first line on its standard input, says `ready`, and answers each line after that with the
seconds of the processor that it has used. It ends when its standard input does, and so with whoever started it.
"""

from __future__ import annotations

from chancy_core.cli.garbage import collect_less, keep_all

collect_less()

import asyncio  # noqa: E402 -- as `chancy worker` does
import logging  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import msgspec  # noqa: E402

from chancy_core.app import Chancy  # noqa: E402
from chancy_core.config import Settings  # noqa: E402
from chancy_core.worker import Worker  # noqa: E402
from chancy_core.worker.process import loop_factory  # noqa: E402


async def main() -> None:
    """Work until standard input ends."""
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    given: Any = Settings(**msgspec.json.decode(await reader.readline()))
    async with Chancy(config=given) as chancy, Worker(chancy, grace_s=0):
        keep_all()
        say("ready")
        while await reader.readline():
            say(time.process_time())


def say(what: object) -> None:
    """Tell whoever started it."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    # Ctrl-C is for the command, which then ends this.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(level=logging.ERROR)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(main())
