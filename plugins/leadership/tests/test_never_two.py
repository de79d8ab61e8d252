"""Never two believers at once, whatever happens; and the simulation that shows it would see them."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from simulation import LEASE_S, Database, Simulation

from chancy_leadership.candidate import Candidate, Held

SETTINGS = settings(
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture
def simulate(dsn, migrated):
    """Runs the simulation, of these candidates and this database."""

    def run(candidate_class=Candidate, database_class=Database, **changes):
        machine = type(
            "TheSimulation",
            (Simulation,),
            {"database": database_class(dsn, migrated), "candidate_class": candidate_class},
        )
        try:
            run_state_machine_as_test(machine, settings=settings(SETTINGS, **changes))
        finally:
            machine.database.connection.close()

    return run


def test_there_are_never_two_believers(simulate):
    """Stalls, delays, lost answers, statements that run late, kills, resignations and clocks that run apart."""
    simulate()


class TrustsTheAnswersTime(Candidate):
    """Counts its lease from when the answer came."""

    def answered(self, request, rows):
        return super().answered(request._replace(asked_at=self._clock()), rows)


class TrustsItsClock(Candidate):
    """Leaves no margin."""

    def answered(self, request, rows):
        left_s = super().answered(request, rows)
        if self._held is not None:
            self._held = Held(self._held.term, request.asked_at + LEASE_S)
        return left_s


class AnyoneRenews(Database):
    """Renews without asking whose lease it is."""

    def text(self, name):
        text = super().text(name)
        return text.replace(b"WHERE holder = %(holder)s AND term = %(term)s", b"") if name == "renew" else text


class AnyoneIsElected(Database):
    """Elects without asking whether somebody's lease still holds."""

    def text(self, name):
        return super().text(name).replace(b"lease_until <= clock_timestamp() OR", b"true OR")


class ForgetsTheTerm(Database):
    """Elects without raising the term."""

    def text(self, name):
        return super().text(name).replace(b"term = term + 1", b"term = 1")


@pytest.mark.parametrize(
    "fault",
    [
        {"candidate_class": TrustsTheAnswersTime},
        {"candidate_class": TrustsItsClock},
        {"database_class": AnyoneRenews},
        {"database_class": AnyoneIsElected},
        {"database_class": ForgetsTheTerm},
    ],
    ids=lambda fault: next(iter(fault.values())).__name__,
)
def test_the_simulation_finds_what_is_wrong(simulate, fault):
    """Each rule that the plugin keeps is there for a reason: without it the simulation fails."""
    with pytest.raises(AssertionError):
        # As many as it takes: the first that fails ends it.
        simulate(**fault, phases=[Phase.generate], max_examples=10_000, derandomize=True)
