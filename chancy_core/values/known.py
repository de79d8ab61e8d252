"""What is known here of a function that a job names: its arguments, and what `@job` says, which holds for that job."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import suppress
from types import MethodType
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict

from chancy_core.errors import InvalidJob
from chancy_core.values.declared import Declared, declared_by, more_limits
from chancy_core.values.job import ExactJob, Job
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.values.signature import Signature, misfit, signature_of

_MISSING: Final = object()
# What a field has that was not given: there it says nothing.
_DEFAULTS: Final = asdict(Job("a.b"))
# Functions that are remembered; only so many, because anybody may make jobs of any name.
_KNOWN_MAX: Final = 10_000


class Known(NamedTuple):
    """What is known of a function whose module is loaded here.

    Attributes:
        call: the function.
        signature: what it takes.
        job: what `@job` has made of it; None if it is not decorated.
        declared: what that says of its runs; None if that is nothing.
        module: the name of its module.
        name: what it is called there; empty if it is deeper inside, as methods are.
    """

    call: Any
    signature: Signature
    job: Job | None
    declared: Declared | None
    module: str
    name: str

    def stands(self) -> bool:
        """Whether it is still what stands under its name, as nearly always; cheap, because each push asks."""
        module = sys.modules.get(self.module)
        if module is None or not self.name or getattr(module, self.name, None) is not self.call:
            return False
        return getattr(self.call, "job", None) is self.job


_known: Final[dict[str, Known]] = {}


def job_of(call: Any) -> Job | None:
    """What `@job` has made of a function; None if it is not decorated."""
    found = None
    # An object may raise whatever it likes when it is looked at.
    with suppress(Exception):
        found = getattr(call, "job", None)
    return found if isinstance(found, Job) else None


def known(path: str) -> Known | None:
    """What is known here of the function of that name, without importing anything: None if its module is not loaded."""
    before = _known.get(path)
    try:
        if before is not None and before.stands():
            return before
        call = _loaded(path)
        if call is _MISSING:
            return None
        job = job_of(call)
        if before is not None and before.job is job and _is_same(before.call, call):
            return before
        module, _, name = path.replace(":", ".").rpartition(".")
        found = Known(call, signature_of(call), job, declared_by(job), module, name if module in sys.modules else "")
    except Exception:  # noqa: BLE001 -- see `job_of`
        return None
    if len(_known) >= _KNOWN_MAX:
        _known.clear()
    _known[path] = found
    return found


def _is_same(one: Any, other: Any) -> bool:
    # A class method is made anew whenever it is looked up.
    return one is other or (isinstance(one, MethodType) and isinstance(other, MethodType) and one == other)


def _loaded(path: str) -> Any:
    """What stands under a name, as a worker finds it, if its module is loaded here."""
    module_name, _, name = path.replace(":", ".").rpartition(".")
    names = [name]
    while module_name:
        found: Any = sys.modules.get(module_name)
        if found is not None:
            try:
                for name in names:
                    found = getattr(found, name)
            except Exception:  # noqa: BLE001 -- a module, or a class, may have a say in it
                return _MISSING
            return found if callable(found) else _MISSING
        module_name, _, name = module_name.rpartition(".")
        names.insert(0, name)
    return _MISSING


def completed(job: Job, declared: Job | None, given: Collection[str] = ()) -> Job:
    """A job that only names its function, with what `@job` says of that where the job says nothing.

    A field that has its default says nothing; and of limits, each kind counts by itself.

    Args:
        job: the job.
        declared: what `@job` has made of its function.
        given: fields that mean what they say even if that is the default.
    """
    if declared is None or type(job) is not Job:
        return job
    fields = asdict(job)
    for name, default in _DEFAULTS.items():
        if name != "func" and name not in given and fields[name] == default:
            fields[name] = getattr(declared, name)
    fields["limits"] = more_limits(job.limits, declared.limits) or job.limits
    return ExactJob(**fields)


def completed_here(job: Job) -> Job:
    """As `completed`, if the function's module is loaded here; if not, a worker sees to what it can."""
    if type(job) is not Job:
        return job
    found = known(job.func)
    return job if found is None else completed(job, found.job)


def is_exact(job: Job, *, check_kwargs: bool = False) -> bool:
    """Whether a job says less than `@job` does of its function, and means it: its row has to say so.

    One that was made from the function means what it says. Whoever has only named the function does not know better.

    Args:
        job: the job.
        check_kwargs: whether the arguments of one that was made from its function are compared with what that takes.

    Raises:
        InvalidJob: it does not take them.
    """
    if type(job) is not ExactJob:
        return isinstance(job, QueuedJob) and job.exact
    found = known(job.func)
    if found is None:
        return True
    if check_kwargs and not found.signature.fits(job.kwargs):
        raise InvalidJob(misfit(job.func, found.signature, job.kwargs))
    return found.declared is not None and found.declared.lacks(job)
