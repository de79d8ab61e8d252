"""What is in a picture: boxes, and the lines between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from uuid import UUID

    from chancy_workflow.flow import Workflow
    from chancy_workflow.status import RunStatus

# What separates the name of an included workflow from those of its steps; no step has it in its own name.
SLASH: Final = "/"


class Box(msgspec.Struct, frozen=True, kw_only=True):
    """A step, or several of them that are drawn as one.

    Attributes:
        key: the name of the step, or of the first of these.
        label: what is written in it.
        kind: as a step's; `steps` for several that are drawn as one.
        state: as a step's, or its job's, if that is known; None: it was never pushed, or it stands for several.
        counts: of a map its jobs, and of several steps these, by their states.
        stands_for: how many steps it stands for.
        job_id: the job of a single step.
        note: what else there is to say.
    """

    key: str
    label: str
    kind: str
    state: str | None = None
    counts: Mapping[str, int] = {}
    stands_for: int = 1
    job_id: UUID | None = None
    note: str = ""


class Line(msgspec.Struct, frozen=True):
    """One box comes after another.

    Attributes:
        parent: the place of the box that goes before.
        child: the place of the one that comes after it.
        when: `succeeded`, `failed` or `finished`; `within`: it belongs to the included workflow.
    """

    parent: int
    child: int
    when: str


class Graph(msgspec.Struct, frozen=True):
    """What is in a picture.

    Attributes:
        name: of what.
        boxes: the boxes; none stands before those that it comes after.
        lines: what comes after what, by places among the boxes.
        members: the steps that each box stands for, by their names.
    """

    name: str
    boxes: Sequence[Box]
    lines: Sequence[Line]
    members: Sequence[Sequence[str]]

    def to_dict(self) -> dict[str, Any]:
        """As what JSON has, without the names of all that is drawn as one."""
        return {"boxes": msgspec.to_builtins(self.boxes), "lines": msgspec.to_builtins(self.lines)}

    def inside(self, key: str) -> Sequence[str]:
        """The names of the steps that are drawn in the same box as this one; none: it is in no box."""
        return next((names for names in self.members if key in names), ())

    def only(self, names: Iterable[str]) -> Graph:
        """These steps, and what comes directly before and after them."""
        wanted = set(names)
        mine = {n for n, box in enumerate(self.boxes) if box.key in wanted}
        near = mine | {end for line in self.lines for end in _ends(line) if not mine.isdisjoint(_ends(line))}
        places = {old: new for new, old in enumerate(sorted(near))}
        return Graph(
            self.name,
            [self.boxes[n] for n in places],
            [
                Line(places[line.parent], places[line.child], line.when)
                for line in self.lines
                if line.parent in places and line.child in places
            ],
            [self.members[n] for n in places],
        )


def _ends(line: Line) -> tuple[int, int]:
    return line.parent, line.child


def of_flow(flow: Workflow) -> Graph:
    """A workflow that was not pushed."""
    boxes = [Box(key=name, label=label(name, node.kind), kind=node.kind) for name, node in flow.nodes.items()]
    return _graph(flow.name, boxes, {name: node.after for name, node in flow.nodes.items()})


def of_run(status: RunStatus, states: Mapping[UUID, str]) -> Graph:
    """A run as it stands.

    Args:
        status: the run.
        states: of jobs that live, what they do.
    """
    boxes = [
        Box(
            key=name,
            label=label(name, step.kind),
            kind=step.kind,
            state=states.get(step.job_id, step.state) if step.job_id and step.state == "pushed" else step.state,
            counts=step.parts,
            job_id=step.job_id,
            note=(step.note or "")[:200],
        )
        for name, step in status.steps.items()
    ]
    return _graph(status.name, boxes, {name: step.after for name, step in status.steps.items()})


def label(name: str, kind: str) -> str:
    """What is written in the box of a step."""
    return f"{scope_of(name)} begins" if kind == "gate" else name


def scope_of(name: str) -> str | None:
    """The included workflow that a step belongs to, by its name."""
    return name.rpartition(SLASH)[0] or None


def _graph(name: str, boxes: list[Box], after: Mapping[str, Mapping[str, str]]) -> Graph:
    places = {box.key: n for n, box in enumerate(boxes)}
    gates = {box.key for box in boxes if box.kind == "gate"}
    followed: set[str] = set()
    lines = []
    for child, parents in after.items():
        scope = scope_of(child)
        inner = {parent for parent in parents if parent not in gates and scope_of(parent) == scope}
        followed |= inner
        for parent, when in parents.items():
            # Every step of an included workflow comes after its beginning: drawn where nothing else leads to it.
            if parent in places and not (parent in gates and inner and scope is not None):
                lines.append(Line(places[parent], places[child], when))
    for box in boxes:
        scope = scope_of(box.key)
        # And of those that its end waits for, only the last ones.
        if scope in places and box.kind != "gate" and box.key not in followed:
            lines.append(Line(places[box.key], places[scope], "within"))
    return Graph(name, boxes, lines, [(box.key,) for box in boxes])
