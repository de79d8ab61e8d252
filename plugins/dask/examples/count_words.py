"""Count the words of Python's standard library, a job for each folder, on a local Dask cluster of two processes.

    python examples/count_words.py

Give the address of a scheduler to use a cluster that is there: `python examples/count_words.py tcp://10.0.0.5:8786`.
"""

from __future__ import annotations

import asyncio
import sys
import sysconfig
from pathlib import Path
from typing import Any

from chancy import Chancy, Job, Queue, Worker
from chancy_dask import Dask


def count_words(*, folder: str) -> dict[str, int]:
    """The files of one folder, and their words."""
    texts = [path.read_text(errors="replace") for path in sorted(Path(folder).glob("*.py"))]
    return {"files": len(texts), "words": sum(len(text.split()) for text in texts)}


def library() -> list[str]:
    """The folders of the standard library."""
    top = Path(sysconfig.get_paths()["stdlib"])
    return sorted({str(path.parent) for path in top.rglob("*.py") if "site-packages" not in path.parts})


async def main(address: str | None = None, most: int | None = None, **settings: Any) -> dict[str, int]:
    """Count, and return the sums.

    Args:
        address: the scheduler's; None: a local cluster is started.
        most: how many folders are looked at, at most.
        settings: of the Chancy.
    """
    dask = Dask(address=address) if address else Dask(workers=2)
    async with Chancy(plugins=[dask], discover=False, **settings) as chancy:
        await chancy.declare(Queue("words", concurrency=8, executor="dask"))
        jobs = [Job("count_words.count_words", queue="words", kwargs={"folder": folder}) for folder in library()[:most]]
        references = await chancy.push_many(jobs)
        async with Worker(chancy):
            done = await chancy.wait_for_jobs(references, timeout=600)
    return {name: sum(job.result[name] for job in done) for name in ("files", "words")}


if __name__ == "__main__":
    found = asyncio.run(main(*sys.argv[1:2]))
    print(f"{found['files']:,} files have {found['words']:,} words.")
