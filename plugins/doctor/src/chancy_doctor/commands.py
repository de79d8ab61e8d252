"""`chancy doctor`, `chancy why` and `chancy top`."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Final

import click

from chancy import Chancy
from chancy.errors import JobNotFound
from chancy.plugin import Finding, Range, Ranged, Severity, find_problems, looked_at
from chancy_doctor.look import looking
from chancy_doctor.notes import notes_on
from chancy_doctor.plugin import Doctor
from chancy_doctor.printing import answer_lines, document, findings_document, findings_lines
from chancy_doctor.why.job import about_job
from chancy_doctor.why.queue import about_queue
from chancy_doctor.why.reason import Answer

NewChancy = Callable[..., Chancy]

WARNINGS: Final = 1
ERRORS: Final = 2
# More often nobody reads, and it would cost more.
EVERY_S: Final = Range(0.5, 3600, "seconds")
# Somebody waits for one answer, and may as well wait for all of it.
WHY_WITHIN_S: Final = 10.0


@click.command(epilog="Exit codes: 0 nothing is wrong; 1 there are warnings; 2 there are errors; 130 Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
@click.pass_context
def doctor(ctx: click.Context, new_chancy: NewChancy, as_json: bool) -> None:
    """What is wrong now, why that matters, and what to type against it.

    Looks at the database, the schema, the queues, the workers, the jobs, and whatever the installed plugins look after;
    it changes nothing.
    """
    # What goes wrong with a look is told on the same screen.
    logging.getLogger("chancy").setLevel(logging.CRITICAL)
    # To look makes and changes no tables.
    chancy = new_chancy(auto_migrate=False)
    plugin = Doctor.of(chancy)
    began = time.monotonic()
    findings = asyncio.run(find_problems(chancy, within_s=plugin.within_s))
    notes = notes_on(chancy)
    if as_json:
        click.echo(findings_document(chancy, findings, plugin.not_looked_at, notes, time.monotonic() - began))
    else:
        click.echo("\n".join(findings_lines(chancy, findings, plugin.not_looked_at, notes)))
    ctx.exit(_code(findings))


def _code(findings: Sequence[Finding]) -> int:
    if any(one.severity is Severity.ERROR for one in findings):
        return ERRORS
    return WARNINGS if findings else 0


@click.command(options_metavar="[--json]")
@click.argument("what", metavar="JOB_ID | queue NAME", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.pass_obj
def why(new_chancy: NewChancy, what: tuple[str, ...], as_json: bool) -> None:
    """Why a job, or the jobs of a queue, do not run now: `chancy why JOB_ID`, or `chancy why queue NAME`.

    Exits with 1 if there is no such job or queue.
    """
    if not (len(what) == 1 or (len(what) == 2 and what[0] == "queue")):  # noqa: PLR2004 -- the word, and a name
        raise click.UsageError(f"{' '.join(what)!r}: write chancy why JOB_ID, or chancy why queue NAME.")
    answer = asyncio.run(_answer(new_chancy(auto_migrate=False), what))
    click.echo(document(answer.to_dict()) if as_json else "\n".join(answer_lines(answer)))


async def _answer(chancy: Chancy, what: tuple[str, ...]) -> Answer:
    async with chancy:
        chancy.check_schema()
        job = None
        if what[0] != "queue" or len(what) == 1:
            job = await chancy.get_job(what[0])
            if job is None:
                raise JobNotFound(f"There is no job {what[0]} in {looked_at(chancy)}: it was pruned, or never stored.")
        async with looking(chancy, Doctor.of(chancy).thresholds, time.monotonic() + WHY_WITHIN_S) as look:
            return await (about_job(look, job) if job is not None else about_queue(look, what[1]))


@click.command()
@click.option(
    "--every", "every_s", type=Ranged(EVERY_S), default=2.0, show_default=True, help="Seconds between two looks."
)
@click.pass_obj
def top(new_chancy: NewChancy, every_s: float) -> None:
    """One screen: what is wrong, what waits, who works, what fails; `?` shows the keys.

    Where no terminal is, it looks once and prints that as text.
    """
    from chancy_doctor.top import live  # noqa: PLC0415 -- it needs a terminal's modules, which not every system has

    chancy = new_chancy(auto_migrate=False)
    if not live.is_terminal():
        click.echo(asyncio.run(live.print_once(chancy)))
        return
    # The screen is no place for events.
    logging.getLogger("chancy").setLevel(logging.CRITICAL)
    asyncio.run(live.show(chancy, every_s))
