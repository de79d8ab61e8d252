"""Candidates with clocks of their own on a slow network, around the real statements on a real PostgreSQL.

Time is simulated: the statements' `clock_timestamp()` finds a function of that name that comes first in the search
path, so nobody has to wait for a lease to end. Everything else is what workers run.
"""

from __future__ import annotations

from itertools import count
from typing import Any, NamedTuple

import psycopg
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from chancy import statement
from chancy_leadership.candidate import Candidate, Request

LEASE_S = 10.0
CANDIDATES = 3
START = 1_000_000.0
WHO = st.integers(0, CANDIDATES - 1)
# How fast a candidate's clock runs, next to the database's: a little within what the margin covers.
RATES = st.sampled_from([0.92, 0.97, 1.0, 1.05, 1.1])
# Parts of a lease; the ends of beliefs and leases lie between them.
PAUSES = st.sampled_from([0.02, 0.1, 0.25, 0.4, 0.55, 0.8, 0.88, 0.95, 1.02, 1.2])


class Sent(NamedTuple):
    """A request on its way, or its answer."""

    request: Request
    rows: list[tuple[Any, ...]] | None


class Database:
    """One schema, and its time."""

    def __init__(self, dsn: str, schema: str) -> None:
        self.schema = schema
        # What a clock on the wall of the machine's room shows, and by how much the database's is wrong.
        self.now = START
        self.wrong_s = 0.0
        self.connection = psycopg.connect(dsn, autocommit=True)
        self.connection.execute("SET synchronous_commit = off")
        self.connection.execute(f'SET search_path = "{schema}", pg_catalog'.encode())
        self.connection.execute(
            f'CREATE OR REPLACE FUNCTION "{schema}".clock_timestamp() RETURNS timestamptz LANGUAGE sql AS '
            "$$ SELECT to_timestamp(current_setting('simulated.now')::float8) $$"
        )

    def text(self, name: str) -> bytes:
        return statement(name, self.schema, "chancy_leadership.sql")

    def run(self, name: str, params: dict[str, Any] | None = None) -> list[tuple[Any, ...]]:
        self.connection.execute("SELECT set_config('simulated.now', %s, false)", [repr(self.now + self.wrong_s)])
        return self.connection.execute(self.text(name), params).fetchall()

    def empty(self) -> None:
        self.wrong_s = 0.0
        self.connection.execute(f'TRUNCATE "{self.schema}".leadership'.encode())
        self.connection.execute(
            f'INSERT INTO "{self.schema}".leadership (lease_until) VALUES (to_timestamp(0))'.encode()
        )


class Simulation(RuleBasedStateMachine):
    """Anything that a network, a scheduler or an operator does to candidates, in any order."""

    database: Database
    candidate_class: type[Candidate] = Candidate

    def __init__(self) -> None:
        super().__init__()
        self.names = count(1)
        self.candidates: list[Candidate] = []
        self.sent: list[Sent | None] = [None] * CANDIDATES
        # Statements whose sender has given them up; the server may run them all the same, whenever it likes.
        self.given_up: list[Request] = []
        self.latest = (0, "")

    @initialize(rates=st.lists(RATES, min_size=CANDIDATES, max_size=CANDIDATES))
    def begin(self, rates: list[float]) -> None:
        self.database.empty()
        self.rates = rates
        self.candidates = [self.new(who) for who in range(CANDIDATES)]

    def new(self, who: int) -> Candidate:
        def clock() -> float:
            return who * 1000 + (self.database.now - START) * self.rates[who]

        return self.candidate_class(f"{who}.{next(self.names)}", LEASE_S, clock)

    # -- what happens ----------------------------------------------------------------------

    @rule(part=PAUSES)
    def time_passes(self, part: float) -> None:
        """Also a stall, for whoever does nothing meanwhile."""
        self.database.now += part * LEASE_S

    @rule(back=st.sampled_from([0.05, 0.6, 3, 400]))
    def clock_set_back(self, back: float) -> None:
        """The database's; those of the candidates count the seconds that pass."""
        self.database.wrong_s -= back * LEASE_S

    @rule(who=WHO)
    def ask(self, who: int) -> None:
        if self.sent[who] is None:
            self.sent[who] = Sent(self.candidates[who].ask(), None)

    @rule(who=WHO)
    def arrive(self, who: int) -> None:
        """The database runs what was sent."""
        sent = self.sent[who]
        if sent is not None and sent.rows is None:
            self.sent[who] = Sent(sent.request, self.database.run(sent.request.statement, sent.request.params))

    @rule(who=WHO)
    def answer(self, who: int) -> None:
        """The answer arrives."""
        sent = self.sent[who]
        if sent is not None and sent.rows is not None:
            self.sent[who] = None
            self.candidates[who].answered(sent.request, sent.rows)

    @rule(who=WHO)
    def at_once(self, who: int) -> None:
        """A whole round, as almost all are."""
        self.ask(who)
        self.arrive(who)
        self.answer(who)

    @rule(who=WHO)
    def connection_lost(self, who: int) -> None:
        sent, self.sent[who] = self.sent[who], None
        if sent is not None and sent.rows is None:
            self.given_up.append(sent.request)

    @rule(data=st.data())
    def arrive_after_all(self, data: st.DataObject) -> None:
        """The database runs what nobody waits for any more."""
        if self.given_up:
            request = self.given_up.pop(data.draw(st.integers(0, len(self.given_up) - 1)))
            self.database.run(request.statement, request.params)

    @rule(who=WHO)
    def restart(self, who: int) -> None:
        """Killed, and started again under a new name."""
        self.connection_lost(who)
        self.candidates[who] = self.new(who)

    @rule(who=WHO)
    def resign(self, who: int) -> None:
        self.connection_lost(who)
        candidate = self.candidates[who]
        if candidate.may_hold:
            candidate.drop()
            self.database.run("resign", {"holder": candidate.holder, "channel": None})
            candidate.resigned()

    # -- what must hold --------------------------------------------------------------------

    @invariant()
    def never_two_believers(self) -> None:
        believers = [(one.holder, one.term) for one in self.candidates if one.term is not None]
        assert len(believers) <= 1, f"two believers: {believers}"

    @invariant()
    def a_believer_holds_a_lease_and_its_term_is_the_latest(self) -> None:
        for one in self.candidates:
            if one.term is not None:
                ((holder, term, _, _, left_s),) = self.database.run("get_leader")
                assert holder == one.holder
                assert left_s > 0
                assert one.term <= term
                latest_term, latest_holder = self.latest
                assert one.term > latest_term or one.holder == latest_holder, "a term was given twice, or went back"
                self.latest = max(self.latest, (one.term, one.holder))
