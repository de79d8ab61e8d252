"""Workflows and runs as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from chancy_workflow.flow import Workflow
    from chancy_workflow.status import RunStatus, StepStatus
    from chancy_workflow.steps import Node

SIGNS: Final = {
    "waiting": "·",
    "open": "…",
    "pushed": "▶",
    "succeeded": "✓",
    "failed": "✗",
    "cancelled": "⊘",
    "expired": "⌛",
    "skipped": "-",
}


def to_text(flow: Workflow) -> str:
    """A workflow as lines: each step, what it runs, and what it comes after."""
    key = f", one at a time by {flow.unique_key!r}" if flow.unique_key else ""
    head = f"{flow.name} ({len(flow)} steps, on_failure={flow.on_failure}{key})"
    steps = (f"  {_depth(node)}{_name(node)}: {_what(node)}{_after(dict(node.after))}" for node in flow.nodes.values())
    return "\n".join([head, *steps])


def to_mermaid(flow: Workflow) -> str:
    """A workflow as a flowchart of Mermaid."""
    numbers = {name: f"s{n}" for n, name in enumerate(flow.nodes)}
    lines = ["flowchart LR"]
    for node in flow.nodes.values():
        opening, closing = {"wait": ("{{", "}}"), "map": ("[[", "]]"), "group": ("([", "])"), "gate": ("((", "))")}.get(
            node.kind, ("[", "]")
        )
        lines.append(f'  {numbers[node.name]}{opening}"{_escaped(_name(node))}"{closing}')
    for node in flow.nodes.values():
        for parent, when in node.after.items():
            label = "" if when == "succeeded" else f"|{when}|"
            lines.append(f"  {numbers[parent]} -->{label} {numbers[node.name]}")
        if node.scope is not None and node.kind != "gate":
            lines.append(f"  {numbers[node.name]} -.-> {numbers[node.scope]}")
    return "\n".join(lines)


def status_text(status: RunStatus) -> str:
    """A run as lines."""
    note = f": {status.note}" if status.note else ""
    attempt = f", attempt {status.attempt}" if status.attempt > 1 else ""
    width = max((len(step.name) for step in status.steps.values()), default=0)
    lines = [f"{status.name} {status.id} {status.state}{attempt}{note}"]
    lines += [
        f"  {SIGNS.get(step.state, '?')} {step.name:<{width}}  {step.state}{why(step)}"
        for step in status.steps.values()
    ]
    return "\n".join(line.rstrip() for line in lines)


def why(step: StepStatus) -> str:
    """What there is to say about the state of a step."""
    if step.note:
        return f": {step.note}"
    if step.waits_for:
        shown = ", ".join(step.waits_for[:3])
        more = len(step.waits_for) - 3
        return f" for {shown}" + (f" and {more} more" if more > 0 else "")
    if step.parts:
        return ": " + ", ".join(f"{count} {state}" for state, count in step.parts.items())
    if step.kind == "wait" and step.state == "open":
        return " for its signal" + (f" until {step.due_at:%Y-%m-%d %H:%M:%S %Z}" if step.due_at else "")
    return ""


def _depth(node: Node) -> str:
    return "  " * node.name.count("/")


def _name(node: Node) -> str:
    return "(begin)" if node.kind == "gate" else node.name.rsplit("/", 1)[-1]


def _what(node: Node) -> str:
    if node.kind == "wait":
        return "waits for a signal" + (f", at most {node.timeout_s:g} s" if node.timeout_s is not None else "")
    if node.kind in ("gate", "group"):
        return {"gate": "its beginning", "group": "its end"}[node.kind]
    func = str((node.job or {})["func"])
    if node.kind == "map":
        over = f"each of {node.over}" if node.over is not None else f"each of {len(node.items or ())} items"
        most = f", {node.max_in_flight} at a time" if node.max_in_flight else ""
        return f"{func} for {over}{most}"
    return func + (f", {node.delay_s:g} s later" if node.delay_s else "")


def _after(after: dict[str, str]) -> str:
    if not after:
        return ""
    return " after " + ", ".join(name if when == "succeeded" else f"{name} ({when})" for name, when in after.items())


def _escaped(text: str) -> str:
    return text.replace('"', "#quot;")
