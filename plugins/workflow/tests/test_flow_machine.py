"""Whatever is done to runs of workflows, in whatever order, they end as the model says, and no step is pushed twice.

`CHANCY_TEST_FLOWS=500` tries so many orders instead of a few, and other ones each time.
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import model
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from chancy import Chancy
from chancy_workflow import RunState, Workflows

MANY = int(os.environ.get("CHANCY_TEST_FLOWS", "0"))
FEW = 5
STEPS = 16
# A worker that is started takes half a second of a processor.
KILLS = 10 if MANY else 2
TIMEOUT_S = 300
LOOK_S = 0.1
# Who works: two that have the plugin, and one that has not.
WORKERS = ("with", "with", "without")

# Every push of a job, as the database itself sees it: pruning does not touch it.
WITNESS = """
CREATE TABLE {s}.pushes (run text, step text, job uuid);
CREATE FUNCTION {s}.witness() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO {s}.pushes SELECT NEW.meta -> 'workflow' ->> 'run', NEW.meta -> 'workflow' ->> 'step', NEW.id;
    RETURN NULL;
END
$$;
CREATE TRIGGER witness AFTER INSERT ON {s}.jobs FOR EACH ROW EXECUTE FUNCTION {s}.witness();
"""
# Whatever has finished, but for what has not been told of yet.
PRUNE = "DELETE FROM {s}.finished_jobs AS job WHERE NOT EXISTS (SELECT FROM {s}.ended WHERE ended.id = job.id)"
DOOMED = "SELECT id::text FROM {s}.jobs WHERE kwargs ->> 'outcome' = 'cancelled' AND cancel_note IS NULL"
TWICE = "SELECT step, count(*) FROM {s}.pushes WHERE run = %s GROUP BY step HAVING count(*) > 1"


class Place:
    """A database with workers, and two applications of which one has no plugin."""

    def __init__(self, dsn, schema, query):
        self.query = query
        self.chancy = Chancy(dsn, schema=schema, discover=False, plugins=[Workflows()])
        self.stranger = Chancy(dsn, schema=schema, discover=False)
        self.command = [sys.executable, str(Path(__file__).with_name("flow_worker.py")), dsn, schema]
        self.workers = []

    def __enter__(self):
        self.chancy.sync_migrate()
        for text in WITNESS.split(";\nCREATE"):
            self.query(text if text.lstrip().startswith("CREATE") else "CREATE" + text)
        self.workers = [self.worker(how) for how in WORKERS]
        return self

    def __exit__(self, *error):
        for process in self.workers:
            self.end(process)
        self.chancy.sync_close()
        self.stranger.sync_close()

    def worker(self, how):
        """A worker that works."""
        process = subprocess.Popen([*self.command, how], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert process.stdout.readline() == b"ready\n"
        return process

    @staticmethod
    def end(process):
        """Kill a worker."""
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()

    def kill(self, number):
        """Kill a worker, and start another one."""
        self.end(self.workers[number])
        self.workers[number] = self.worker(WORKERS[number])

    def cancel_the_doomed(self):
        """Whoever has no plugin cancels the jobs that are to end so."""
        self.stranger.sync_cancel_jobs([id_ for (id_,) in self.query(DOOMED)])


class Machine(RuleBasedStateMachine):
    """What happens, in any order, while workers work."""

    place: Place

    def __init__(self):
        super().__init__()
        self.flows = []
        # Those whose handlers have run because of a stop, and were not to run again.
        self.loose = set()
        self.kills = 0

    @initialize(seeds=st.lists(st.integers(0, 1_000_000), min_size=2, max_size=4))
    def begin(self, seeds):
        for seed in seeds:
            self.push(seed, "finish")

    @rule(seed=st.integers(0, 1_000_000), on_failure=st.sampled_from(["finish", "cancel"]))
    def push(self, seed, on_failure):
        flow, plan = model.a_workflow(seed, on_failure=on_failure)
        self.flows.append((self.place.chancy.sync_push(flow), flow, plan))

    @rule(which=st.integers(0, 30), step=st.integers(0, 30))
    def send(self, which, step):
        for run, flow, plan in self.some(which):
            waits = [name for name, node in flow.nodes.items() if node.kind == "wait" and plan[name] == "succeeded"]
            for name in waits[step % len(waits) :][:1] if waits else ():
                with suppress(RunState):
                    run.sync_signal(name, name)

    @rule(which=st.integers(0, 30), handlers=st.booleans())
    def cancel(self, which, handlers):
        for run, *_ in self.some(which):
            run.sync_cancel(handlers=handlers)

    @rule(which=st.integers(0, 30), mode=st.sampled_from(["failed", "below", "all"]))
    def retry(self, which, mode):
        for run, *_ in self.some(which):
            stopped = run.sync_status().stopping is not None
            with suppress(RunState):
                run.sync_retry(mode)
                if stopped and mode == "failed":
                    self.loose.add(run)

    @precondition(lambda self: self.kills < KILLS)
    @rule(number=st.integers(0, len(WORKERS) - 1))
    def kill(self, number):
        self.kills += 1
        self.place.kill(number)

    @rule()
    def prune(self):
        self.place.query(PRUNE)

    @rule()
    def cancel_the_doomed(self):
        self.place.cancel_the_doomed()

    @rule(seconds=st.sampled_from([0.05, 0.2, 0.5]))
    def go_on(self, seconds):
        time.sleep(seconds)

    def some(self, which):
        """One of the runs, if there are any."""
        return [self.flows[which % len(self.flows)]] if self.flows else []

    def teardown(self):
        """All signals that are still waited for come, and every run ends as the model says."""
        deadline = time.monotonic() + TIMEOUT_S
        left = list(self.flows)
        while left:
            assert time.monotonic() < deadline, "\n".join(
                f"{flow.to_text()}\n{run.sync_status()}" for run, flow, _ in left
            )
            self.place.cancel_the_doomed()
            for run, flow, plan in left:
                for name, node in flow.nodes.items():
                    if node.kind == "wait" and plan[name] == "succeeded":
                        with suppress(RunState):
                            run.sync_signal(name, name)
            self.place.query(PRUNE)
            left = [one for one in left if not one[0].sync_status().ended]
            time.sleep(LOOK_S)
        for run, flow, plan in self.flows:
            self.check(run, flow, plan)

    def check(self, run, flow, plan):
        status = run.sync_status()
        told = f"\n{flow.to_text()}\n{status}\n{plan}"
        for name, count in self.place.query(TWICE, str(run)):
            most = status.attempt if "[" in name else 1 + len(status.steps[name].past)
            assert count <= most, f"{name} was pushed {count} times in {most} attempts{told}"
        if run in self.loose:
            return
        states = {name: step.state for name, step in status.steps.items()}
        for node in flow.nodes.values():
            want = model.wanted(flow, node, states, plan)
            allowed = {want, "skipped", "cancelled"} if status.stopping and want != "skipped" else {want}
            assert states[node.name] in allowed, f"{node.name} is to be {allowed}{told}"
        stopped = status.stopping in ("cancel", "now")
        assert status.state == ("cancelled" if stopped else model.ends(flow, states)), told


@pytest.mark.new_tables
def test_runs_end_as_the_model_says_whatever_is_done_to_them(dsn, schema, query):
    """Kills, cancels, retries, signals early and late, pruning, and processes without the plugin."""

    class Bound(Machine):
        pass

    with Place(dsn, schema, query) as Bound.place:
        run_state_machine_as_test(
            Bound,
            settings=settings(
                max_examples=MANY or FEW,
                stateful_step_count=STEPS,
                derandomize=not MANY,
                deadline=None,
                database=None,
                # Not shrunk: what workers do meanwhile is never the same.
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )
