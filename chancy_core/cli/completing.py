"""A job that the command line names, completed by what `@job` says of its function."""

from __future__ import annotations

import sys
from collections.abc import Collection
from contextlib import redirect_stdout

import click

from chancy_core.app import Chancy
from chancy_core.errors import CannotRun, CannotRunHere, InvalidJob
from chancy_core.values.job import Job

MAIN = "__main__."


def completed(chancy: Chancy, job: Job, given: Collection[str]) -> Job:
    """The job with what `@job` says of its function where the command line says nothing, if that imports here.

    If it does not, which is said, the job is pushed as the command line has it: a worker may well have its function.

    Args:
        chancy: its settings say which functions may be run.
        job: the job.
        given: the fields that the command line gives.

    Raises:
        InvalidJob: the function does not take the job's arguments, or no worker could ever have it.
    """
    # Only a push needs what runs functions.
    from chancy_core.executors.functions import Functions  # noqa: PLC0415

    if job.func.startswith(MAIN):
        _tell(job.func, "it is in the script of a worker")
        return job
    try:
        # What a module prints is no answer of this command.
        with redirect_stdout(sys.stderr):
            return Functions(chancy.settings.functions).completed(job, given)
    except CannotRun as error:
        raise InvalidJob(str(error)) from error
    except CannotRunHere as error:
        _tell(job.func, str(error))
    except Exception as error:  # noqa: BLE001 -- whatever an object does when it is looked at
        _tell(job.func, f"{type(error).__name__}: {error}")
    return job


def _tell(func: str, problem: str) -> None:
    click.echo(
        f"Note: {func} could not be looked at here, so its queue and priority are those of the command line, and its "
        f"arguments were not checked. The reason: {problem}",
        err=True,
    )
