"""How findings and answers are printed."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, Final

import click

from chancy import Chancy
from chancy.plugin import Finding, Severity, looked_at
from chancy_doctor.notes import Note
from chancy_doctor.why.reason import Answer

COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow"}


def document(value: Any) -> str:
    """JSON for programs, which people can read, too."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def findings_document(
    chancy: Chancy, findings: Sequence[Finding], missed: Sequence[str], notes: Sequence[Note], took_s: float
) -> str:
    """What was found, as JSON."""
    return document(
        {
            "looked_at": looked_at(chancy),
            "took_s": round(took_s, 3),
            "findings": [one.to_dict() for one in findings],
            "not_looked_at": list(missed),
            "notes": [one._asdict() for one in notes],
        }
    )


def findings_lines(
    chancy: Chancy, findings: Sequence[Finding], missed: Sequence[str], notes: Sequence[Note]
) -> list[str]:
    """What was found, for people."""
    if findings:
        count = f"{len(findings)} {'finding' if len(findings) == 1 else 'findings'}"
        lines = wrapped("", f"{count} in {looked_at(chancy)}")
    else:
        lines = wrapped("", f"Nothing is {'known to be ' if missed else ''}wrong in {looked_at(chancy)}.")
    for one in findings:
        lines += ["", *_shown(one)]
    if missed:
        told = f"There was no time to look at: {', '.join(missed)}. The database is slow to answer."
        lines += ["", *wrapped("", told)]
    for note in notes:
        word = click.style("NOTE", bold=True)
        lines += ["", f"{word} {note.id}", *wrapped("  ", note.what), f"  fix  {click.style(note.fix, bold=True)}"]
    return lines


def answer_lines(answer: Answer) -> list[str]:
    """Why something does not run, for people."""
    lines = wrapped("", answer.about)
    for reason in answer.reasons:
        lines += wrapped("  • ", reason.what)
        if reason.fix is not None:
            lines.append(f"    → {click.style(reason.fix, bold=True)}")
    return lines


def wrapped(prefix: str, text: str) -> list[str]:
    """A text on a terminal, broken between words; anywhere else one line."""
    if not sys.stdout.isatty():
        return [f"{prefix}{text}"]
    width = max(shutil.get_terminal_size().columns, 40)
    return textwrap.wrap(text, width, initial_indent=prefix, subsequent_indent=" " * len(prefix)) or [prefix]


def _shown(one: Finding) -> list[str]:
    word = click.style(one.severity.value.upper(), fg=COLOURS[one.severity], bold=True)
    return [
        f"{word} {one.id}",
        *wrapped("  ", one.what),
        *wrapped("  why  ", one.why),
        # Never broken, so that it can be pasted.
        f"  fix  {click.style(one.fix, bold=True)}",
    ]
