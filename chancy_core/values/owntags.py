"""The tags that every worker has of its own accord, and what is said of expressions that match none of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from chancy_core.errors import nearest
from chancy_core.values.tags import matches

#: Every worker has this tag, so that a queue for all of them can say so.
EVERY_WORKER: Final = "*"
# What the others begin with.
OWN_KEYS: Final = frozenset({"hostname", "worker", "worker_id", "python", "os", "arch", "chancy"})
# What `platform` says on the systems that Python runs on. Others there may be: nothing is refused for them.
SYSTEMS: Final = ("Linux", "Darwin", "Windows", "FreeBSD", "OpenBSD", "NetBSD", "SunOS", "AIX", "Android", "iOS")
MACHINES: Final = (
    "x86_64", "amd64", "AMD64", "aarch64", "arm64", "ARM64", "armv8l", "armv7l", "armv6l", "i386", "i686", "ppc64le",
    "ppc64", "s390x", "riscv64", "loongarch64",
)  # fmt: skip
# Versions of Python that expressions are tried with: those that there are, and some that will be.
MINORS: Final = range(8, 25)
MICROS: Final = range(31)


def own_tags(
    *, hostname: str, worker: str, python: str, system: str, machine: str, chancy: str | None = None
) -> set[str]:
    """The tags of a worker on such a machine.

    Args:
        hostname: the name of the machine.
        worker: the worker's name, as it was given: without what each run adds to it.
        python: the version of Python, such as `3.11.8`.
        system: the operating system, such as `Linux`.
        machine: the kind of processor, such as `x86_64`.
        chancy: the version of Chancy; None: it is not known.
    """
    return {
        EVERY_WORKER,
        f"hostname={hostname}",
        f"worker={worker}",
        # As projects that come from Chancy 0 have it.
        f"worker_id={worker}",
        f"python={python}",
        f"os={system}",
        f"arch={machine}",
        *([] if chancy is None else [f"chancy={chancy}"]),
    }


def is_own(tag: str) -> bool:
    """Whether a worker has this tag of its own accord, or could have."""
    return tag == EVERY_WORKER or tag.partition("=")[0] in OWN_KEYS


def tag_doubt(tag: str) -> str | None:
    """Why an expression that seems to mean such a tag matches none, and what to write; None if it may match one."""
    key, equals, value = tag.partition("=")
    if not equals or key not in ("python", "os", "arch"):
        return None
    try:
        if any(matches(tag, own) for own in _examples(key)):
            return None
        return f"The tag '{tag:.80}' matches no worker of itself: {_cure(key, value)}"
    except ValueError:
        # It takes too long, which workers say themselves.
        return None


def _examples(key: str) -> Iterator[str]:
    if key == "os":
        yield from (f"os={system}" for system in SYSTEMS)
    elif key == "arch":
        yield from (f"arch={machine}" for machine in MACHINES)
    else:
        for minor in MINORS:
            yield from (f"python=3.{minor}.{micro}" for micro in MICROS)


def _cure(key: str, value: str) -> str:
    if key != "python":
        known = SYSTEMS if key == "os" else MACHINES
        same = [one for one in known if one.lower() == value.lower()]
        hint = f" Did you mean {same[0]!r}?" if same else nearest(value, known)
        return f"theirs are such as {key}={known[0]}.{hint}"
    cure = "match all three numbers"
    if re.fullmatch(r"3(\\?\.\d+)?", value):
        series = re.sub(r"\\?\.", r"\\.", value)
        cure = rf"write r'python={series}\..*'"
    return f"an expression matches a whole tag, and theirs are such as python=3.11.8. So {cure}."
