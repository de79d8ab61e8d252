"""A process with a worker that writes down when it believed that it leads. Run by tests.

Its argument is what it needs, as JSON. Each line is `elected`, the term, and the moment; or `ended`, the term, and the
last moment at which it believed so. The moments are of the clock that all processes of a machine share.
"""

import asyncio
import json
import sys
import time

from chancy import Chancy, Worker
from chancy.plugins.leadership import Leadership


def say(what, term, moment):
    sys.stdout.write(f"{what} {term} {moment!r}\n")
    sys.stdout.flush()


async def main(dsn, schema, lease_s, **settings):
    plugin = Leadership(lease_s=lease_s)
    async with (
        Chancy(dsn, schema=schema, discover=False, plugins=[plugin], **settings) as chancy,
        Worker(chancy) as worker,
    ):
        said = asyncio.create_task(watch(plugin))
        say("ready", 0, time.monotonic())
        await worker.wait_for_shutdown()
        said.cancel()


async def watch(plugin):
    before, believed_at = None, 0.0
    while True:
        asked_at = time.monotonic()
        term = plugin.term
        if term != before:
            if before is not None:
                say("ended", before, believed_at)
            if term is not None:
                # It believed so at this moment or later, so overlaps are not made up.
                say("elected", term, time.monotonic())
            before = term
        if term is not None:
            believed_at = asked_at
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(main(**json.loads(sys.argv[1])))
