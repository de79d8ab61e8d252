"""What runs of workflows have to do, in few lines, and workflows at random to try it on."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import model_jobs

from chancy import Backoff
from chancy_workflow import Workflow
from chancy_workflow.steps import Node

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
FAILED = {"failed", "cancelled", "expired"}
OUTCOMES = ["succeeded"] * 6 + ["list", "retried", "failed", "failed", "cancelled", "expired"]


def holds(when: str, state: str) -> bool:
    """Whether a step that ended so is what another one waits for."""
    return when == "finished" or (state in FAILED if when == "failed" else state == "succeeded")


def uncaught(flow: Workflow, states: dict[str, str], scope: str | None) -> list[str]:
    """The steps of a scope that failed, and that no step which was not skipped comes after because of that."""
    caught = {
        parent
        for node in flow.nodes.values()
        for parent, when in node.after.items()
        if when == "failed" and states[node.name] != "skipped"
    }
    inside = [node.name for node in flow.nodes.values() if node.scope == scope]
    return [name for name in inside if states[name] in FAILED and name not in caught]


def wanted(flow: Workflow, node: Node, states: dict[str, str], plan: dict[str, str]) -> str:
    """How a step has to end, if what goes before it ended like that."""
    if node.kind == "group":
        inside = [one.name for one in flow.nodes.values() if one.scope == node.name and one.kind != "gate"]
        bad = {states[name] for name in uncaught(flow, states, node.name)}
        if bad:
            return "cancelled" if bad == {"cancelled"} else "failed"
        return "skipped" if all(states[name] == "skipped" for name in inside) else "succeeded"
    if not all(holds(when, states[parent]) for parent, when in node.after.items()):
        return "skipped"
    return "succeeded" if node.kind == "gate" else plan[node.name]


def ends(flow: Workflow, states: dict[str, str]) -> str:
    """How the run has to end."""
    return "failed" if uncaught(flow, states, None) else "succeeded"


def a_workflow(seed: Any, *, deep: bool = True, on_failure: Any = "finish") -> tuple[Workflow, dict[str, str]]:
    """A workflow at random, and how each of its steps is to end."""
    chance = random.Random(seed)
    flow = Workflow(f"at random {seed}", on_failure=on_failure)
    plan: dict[str, str] = {}
    lists = []
    for n in range(chance.randint(1, 9)):
        steps = [flow[name] for name, node in flow.nodes.items() if "/" not in name]
        after = {
            step.name: getattr(step, chance.choice(["succeeded", "succeeded", "failed", "finished"]))
            for step in chance.sample(steps, min(len(steps), chance.choice([0, 1, 1, 2, 3])))
        }
        kind = chance.choice(["job"] * 5 + ["map", "wait"] + ["include"] * deep)
        name = f"{kind}{n}"
        if kind == "job":
            outcome = chance.choice(OUTCOMES)
            job = model_jobs.act.job.with_kwargs(outcome=outcome, key=f"{seed} {name}", given=None)
            job = (
                job.with_max_attempts(20)
                .with_backoff(Backoff(base_s=0.01))
                .with_give_up_on(*["ValueError"] * (outcome != "retried"))
            )
            if outcome == "expired":
                job = job.with_expires_at(LONG_AGO)
            takes = [
                step
                for step in after.values()
                if step.when == "succeeded" and flow.nodes[step.step.name].kind != "group"
            ]
            if takes:
                job = job.with_more_kwargs(given=[takes[0].step])
            step = flow.add(name, job, after=after.values())
            plan[name] = outcome if outcome in FAILED else "succeeded"
            if outcome == "list":
                lists.append(step)
        elif kind == "map":
            items = chance.choice([["a", "b", "c"], ["a", "bad"], []])
            over: Any = items if not lists or chance.random() < 0.5 else lists[-1]
            job = model_jobs.act.job.with_kwargs(outcome="succeeded", key=f"{seed} {name}")
            # Whoever kills its workers spends attempts, and is not what is modelled here.
            job = job.with_max_attempts(20).with_give_up_on("ValueError")
            flow.map(
                name,
                job,
                over=over,
                max_in_flight=chance.choice([None, 1, 2]),
                after=[one for one in after.values() if one.step is not over],
            )
            plan[name] = "failed" if over is items and "bad" in items else "succeeded"
        elif kind == "wait":
            plan[name] = chance.choice(["succeeded", "succeeded", "expired"])
            flow.wait(name, after=after.values(), timeout=0 if plan[name] == "expired" else 3600)
        else:
            inner, ends = a_workflow(f"{seed} {name}", deep=False)
            flow.include(name, inner, after=after.values())
            plan.update({f"{name}/{step}": outcome for step, outcome in ends.items()})
    return flow, plan
