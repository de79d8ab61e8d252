"""Processes that are stopped, killed and frozen."""

import asyncio
import json
import random
import signal
import sys
from itertools import pairwise
from pathlib import Path

import pytest

VOTER = Path(__file__).with_name("voter.py")


class Voter:
    """One process, and what it said."""

    def __init__(self, process):
        self.process = process
        self.said = []
        self.reading = asyncio.create_task(self._read())

    async def _read(self):
        async for line in self.process.stdout:
            what, term, moment = line.split()
            self.said.append((what.decode(), int(term), float(moment)))

    def moment(self, what):
        return next((moment for said, _, moment in self.said if said == what), None)

    @property
    def elections(self):
        """How often it has been elected."""
        return sum(said == "elected" for said, _, _ in self.said)

    def send(self, number):
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def end(self):
        self.send(signal.SIGCONT)
        self.send(signal.SIGKILL)
        await self.process.wait()
        await self.reading


@pytest.fixture
async def vote(dsn, migrated):
    """Starts a process, and waits until it stands for election."""
    voters = []

    async def start(lease_s, **settings):
        given = json.dumps({"dsn": dsn, "schema": migrated, "lease_s": lease_s, **settings})
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(VOTER), given, stdout=asyncio.subprocess.PIPE
        )
        voters.append(Voter(process))
        return voters[-1]

    yield start
    for voter in voters:
        await voter.end()


async def test_after_a_clean_stop_another_process_leads_at_once(vote, until):
    """A lease of an hour does not delay it."""
    one = await vote(3600)
    await until(lambda: one.moment("elected"))
    other = await vote(3600)
    await until(lambda: other.moment("ready"))
    assert other.moment("elected") is None
    one.send(signal.SIGTERM)
    await until(lambda: other.moment("elected"))


async def test_after_a_kill_another_process_leads_once_the_lease_has_ended(vote, until, query):
    """Nobody tells the other one; it knows when the lease ends."""
    lease_s = 5.0
    one = await vote(lease_s)
    await until(lambda: one.moment("elected"))
    other = await vote(lease_s)
    await until(lambda: other.moment("ready"))
    one.send(signal.SIGKILL)
    await one.process.wait()
    ((lease_until,),) = query("SELECT lease_until FROM {s}.leadership")
    await until(lambda: other.moment("elected"))
    assert query("SELECT elected_at >= %s, term FROM {s}.leadership", lease_until) == [(True, 2)]


async def test_a_process_that_was_frozen_does_not_lead_afterwards(vote, until):
    """The first thing that it knows after waking is that it leads no more; the other one has taken over meanwhile."""
    one = await vote(1.0)
    await until(lambda: one.moment("elected"))
    other = await vote(1.0)
    await until(lambda: other.moment("ready"))
    one.send(signal.SIGSTOP)
    elected_at = await until(lambda: other.moment("elected"))
    one.send(signal.SIGCONT)
    ended_at = await until(lambda: one.moment("ended"))
    assert ended_at < elected_at


async def test_among_processes_that_are_frozen_killed_and_stopped_never_two_lead(vote, until):
    """Twelve blows at random moments, or more: their beliefs to lead never overlap, and the terms rise."""
    chance = random.Random(3)
    lease_s = 0.6
    voters = [await vote(lease_s) for _ in range(3)]
    everyone = list(voters)
    await until(lambda: all(one.moment("ready") for one in voters))
    blows = 0
    # On a busy machine a blow may miss whoever leads: then there is another one.
    while blows < 12 or sum(one.elections for one in everyone) < 6:
        blows += 1
        await until(lambda: any(leads(one) for one in voters))
        await asyncio.sleep(chance.uniform(0, lease_s))
        place = next((n for n, one in enumerate(voters) if leads(one)), 0)
        blow = chance.choice([signal.SIGSTOP, signal.SIGSTOP, signal.SIGKILL, signal.SIGTERM])
        victim = voters[place]
        victim.send(blow)
        if blow is signal.SIGSTOP:
            await asyncio.sleep(chance.uniform(0.2, 2) * lease_s)
            victim.send(signal.SIGCONT)
        else:
            voters[place] = await vote(lease_s)
            everyone.append(voters[place])
    for one in everyone:
        one.send(signal.SIGTERM)
    await asyncio.gather(*(one.process.wait() for one in everyone))
    await asyncio.gather(*(one.reading for one in everyone))
    reigns = sorted(reign for one in everyone for reign in reigned(one))
    assert len(reigns) >= 6
    for (_, ended_at, term), (elected_at, _, next_term) in pairwise(reigns):
        assert ended_at < elected_at
        assert term <= next_term


def leads(voter):
    return voter.process.returncode is None and bool(voter.said) and voter.said[-1][0] == "elected"


def reigned(voter):
    """From when to when it surely believed to lead, in which term; of a killed one, only the beginning is known."""
    begun = None
    for what, term, moment in voter.said:
        if what == "elected":
            begun = moment
        elif what == "ended":
            yield begun, moment, term
            begun = None
    if begun is not None:
        yield begun, begun, voter.said[-1][1]
