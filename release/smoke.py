"""What each environment runs, by its own Python, in a folder where nothing of the repository can be imported."""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

# What only comes with an extra, or with an application: a module that is for it may lack it.
OPTIONAL = set(sys.argv[2].split(",")) if len(sys.argv) > 2 else set()  # noqa: PLR2004 -- the second argument
WORK = """\
import os
from chancy import Limit, job

@job
async def add(*, a, b):
    return a + b

@job
def double(*, n):
    return 2 * n

@job(limits=[Limit(Limit.Type.MEMORY, 2**30)])
def where(*, parent):
    return os.getpid() != parent
"""
SITE = {
    "INSTALLED_APPS": [
        *(f"django.contrib.{name}" for name in ("admin", "auth", "contenttypes", "messages", "sessions")),
        "chancy_django",
    ],
    "DATABASES": {"default": {"ENGINE": "django.db.backends.postgresql"}},
    "SECRET_KEY": "of a site that lives for a second",
}


def main() -> None:
    """Import every module of each distribution, run jobs, and ask the commands that are there."""
    names = sys.argv[1].split(",")
    Path("work.py").write_text(WORK)
    sys.path.insert(0, str(Path.cwd()))
    if "chancy-django" in names:
        django, conf = importlib.import_module("django"), importlib.import_module("django.conf")
        conf.settings.configure(**SITE)
        django.setup()
    for name in names:
        import_all(name)
    asyncio.run(run_jobs())
    if has_command():
        run_commands(names)


def import_all(name: str) -> None:
    """Import every module of a distribution, but those that are for what is not installed."""
    files = importlib.metadata.files(name) or []
    for package in sorted({file.parts[0] for file in files if file.name == "py.typed"}):
        importlib.import_module(package)
    for file in files:
        if file.suffix != ".py" or file.name == "__main__.py" or "migrations" in file.parts:
            continue
        parts = file.with_suffix("").parts
        try:
            importlib.import_module(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] not in OPTIONAL:
                raise
        except SystemExit as told:
            # The command says in a sentence what it needs.
            if has_command() or "pip install" not in str(told):
                raise


def has_command() -> bool:
    """Whether the extra `cli` is there, as a whole: a package of others may bring a part of it, as Dask does."""
    return all(importlib.util.find_spec(name) for name in ("click", "rich"))


async def run_jobs() -> None:
    """One of each kind: on the loop, in a thread, in a process."""
    from work import add, double, where  # type: ignore[import-not-found] # written a moment ago

    from chancy import Chancy, Worker

    async with Chancy() as chancy:
        await chancy.migrate()
        async with Worker(chancy):
            pushed = [
                await chancy.push(add.job.with_kwargs(a=1, b=2)),
                await chancy.push(double.job.with_kwargs(n=21)),
                await chancy.push(where.job.with_kwargs(parent=os.getpid())),
            ]
            results = [(await one.wait(timeout=300)).result for one in pushed]
    if results != [3, 42, True]:
        raise SystemExit(f"The jobs returned {results}.")


def run_commands(names: list[str]) -> None:
    """What a user types first."""
    chancy("--version")
    chancy("plugins")
    chancy("migrate")
    chancy("push", "work.add", "--kwargs", '{"a": 1, "b": 2}')
    chancy("worker", "--until-idle")
    chancy("status")
    if "chancy-doctor" in names:
        chancy("doctor")


def chancy(*arguments: str) -> None:
    """Run a command of the environment to its good end."""
    done = subprocess.run(
        [Path(sys.executable).with_name("chancy"), *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        shown = " ".join(arguments)
        raise SystemExit(f"`chancy {shown}` ended with {done.returncode}.\n{done.stdout}\n{done.stderr}")


if __name__ == "__main__":
    main()
