"""Keep a picture small enough to be looked at, however many steps there are: what says the same is drawn as one.

Steps that come after the same ones, and before the same ones, are one box; where that is not enough, so is an included
workflow, a piece of a chain, and at last what is as far from the beginning as each other. Each of these boxes says how
many of its steps are in which state, and what is in it can be looked at by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final

from chancy_workflow.picture.graph import Box, Graph, Line, scope_of
from chancy_workflow.picture.layers import columns_of

# What one can look through on a screen, by scrolling a little.
BOXES_MOST: Final = 250
# So many steps that say the same are drawn one by one.
SAME_MOST: Final = 12
# Into so many pieces a long chain is cut.
PIECES: Final = 20


def folded(graph: Graph, most: int = BOXES_MOST) -> Graph:
    """A graph with so many boxes at most."""
    graph = _merged(graph, _alike(graph))
    for rule in (_scopes, _alike, _pieces, _alike, _chains, _alike, _layers):
        if len(graph.boxes) <= most:
            break
        graph = _merged(graph, rule(graph))
    return graph if len(graph.boxes) <= most else _merged(graph, _bands(graph, most))


def _alike(graph: Graph) -> list[list[int]]:
    """Steps of one kind that come after the same ones and before the same ones, on the same conditions."""
    before, after = _neighbours(graph)
    found: dict[object, list[int]] = {}
    for n, box in enumerate(graph.boxes):
        if box.kind != "gate":
            place = (scope_of(box.key), box.kind, tuple(sorted(before[n])), tuple(sorted(after[n])))
            found.setdefault(place, []).append(n)
    return [one for one in found.values() if len(one) > SAME_MOST]


def _scopes(graph: Graph) -> list[list[int]]:
    """Included workflows, the outermost ones."""
    groups = {box.key for box in graph.boxes if box.kind == "group"}
    found: dict[str, list[int]] = {}
    for n, box in enumerate(graph.boxes):
        outermost = box.key.split("/", 1)[0]
        if outermost in groups:
            found.setdefault(outermost, []).append(n)
    return list(found.values())


def _pieces(graph: Graph) -> list[list[int]]:
    """Steps that come one after the other, where they are many, in pieces."""
    found = []
    for chain in _chains(graph):
        size = len(chain) // PIECES
        if size > 1:
            found += [chain[at : at + size] for at in range(0, len(chain), size)]
    return found


def _chains(graph: Graph) -> list[list[int]]:
    """Steps that come one after the other, with nothing beside them."""
    before, after = _neighbours(graph)
    next_ = {n: min(after[n])[0] for n in range(len(graph.boxes)) if len(after[n]) == 1}
    alone = {n: child for n, child in next_.items() if len(before[child]) == 1}
    found = []
    for first in sorted(alone.keys() - alone.values()):
        chain = [first]
        while chain[-1] in alone:
            chain.append(alone[chain[-1]])
        found.append(chain)
    return found


def _layers(graph: Graph) -> list[list[int]]:
    """Steps that are as far from the beginning as each other."""
    return _bands(graph, len(graph.boxes))


def _bands(graph: Graph, most: int) -> list[list[int]]:
    columns = columns_of(len(graph.boxes), graph.lines)
    wide = -(-(max(columns, default=0) + 1) // most)
    found: dict[int, list[int]] = {}
    for n, column in enumerate(columns):
        found.setdefault(column // wide, []).append(n)
    return list(found.values())


def _neighbours(graph: Graph) -> tuple[list[set[tuple[int, str]]], list[set[tuple[int, str]]]]:
    before: list[set[tuple[int, str]]] = [set() for _ in graph.boxes]
    after: list[set[tuple[int, str]]] = [set() for _ in graph.boxes]
    for line in graph.lines:
        before[line.child].add((line.parent, line.when))
        after[line.parent].add((line.child, line.when))
    return before, after


def _merged(graph: Graph, groups: Iterable[Sequence[int]]) -> Graph:
    """Each of these groups as one box, in the place of its first."""
    first = list(range(len(graph.boxes)))
    inside: dict[int, Sequence[int]] = {}
    for group in groups:
        if len(group) > 1:
            ordered = sorted(group)
            inside[ordered[0]] = ordered
            for n in ordered:
                first[n] = ordered[0]
    if not inside:
        return graph
    kept = [n for n in range(len(first)) if first[n] == n]
    places = {n: place for place, n in enumerate(kept)}
    boxes = [_box([graph.boxes[one] for one in inside[n]]) if n in inside else graph.boxes[n] for n in kept]
    members = [[name for one in inside.get(n, (n,)) for name in graph.members[one]] for n in kept]
    lines: dict[tuple[int, int], Line] = {}
    for line in graph.lines:
        parent, child = places[first[line.parent]], places[first[line.child]]
        if parent != child:
            lines.setdefault((parent, child), Line(parent, child, line.when))
    return Graph(graph.name, boxes, list(lines.values()), members)


def _box(boxes: Sequence[Box]) -> Box:
    counts: Counter[str] = Counter()
    steps = [box for box in boxes if box.kind != "gate"]
    for box in steps:
        if box.kind == "steps":
            counts.update(box.counts)
        elif box.state is not None:
            counts[box.state] += 1
    count = sum(box.stands_for for box in steps)
    whole = next((box for box in boxes if box.kind == "group" and _holds(box, boxes)), None)
    return Box(
        key=boxes[0].key if whole is None else whole.key,
        label=f"{count:,} steps" if whole is None else whole.label,
        kind="steps",
        counts=counts,
        stands_for=count,
        note=f"from {boxes[0].label}" if whole is None else f"{count:,} steps",
    )


def _holds(group: Box, boxes: Sequence[Box]) -> bool:
    """Whether all of these belong to the included workflow of which this is the end."""
    return all(box is group or box.key.startswith(f"{group.key}/") for box in boxes)
