"""A finding: something that is wrong now, why that matters, and what to type against it."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, TypeAlias

import msgspec

from chancy_core.values.plainly import as_dict

Evidence: TypeAlias = "int | float | str | None"


class Severity(StrEnum):
    """How bad it is."""

    WARNING = "warning"
    """Work goes on; it will not for ever, or not for everybody."""
    ERROR = "error"
    """Some work stands still, or is lost to failures."""


class Subject(msgspec.Struct, frozen=True):
    """What a finding is about.

    Attributes:
        kind: `queue`, `worker`, `function`, `schedule`, `plugin`, `job`, `schema`, `database`, or a word of the
            plugin's own.
        name: which one.
    """

    kind: str
    name: str


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is wrong now.

    Attributes:
        id: what kind of trouble it is, such as `queue-paused`: it stays the same from release to release, so that
            whoever watches can compare. Together with `subject` it names one trouble.
        severity: how bad it is.
        subject: what it is about.
        what: one sentence that says what is wrong, with the numbers that matter.
        evidence: those numbers, by name, with their units in the names.
        why: why it matters, in a sentence.
        fix: a command or a statement that can be pasted, and that mends it or shows more.
    """

    id: str
    severity: Severity
    subject: Subject
    what: str
    evidence: dict[str, Evidence] = {}
    why: str
    fix: str

    def to_dict(self) -> dict[str, Any]:
        """Every field by its name, as what JSON has."""
        return as_dict(self)


def by_severity(findings: list[Finding]) -> list[Finding]:
    """The same, errors first, and otherwise in the order in which they were found."""
    return sorted(findings, key=lambda one: one.severity is not Severity.ERROR)
