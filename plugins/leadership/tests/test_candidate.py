"""What a candidate believes."""

from chancy_leadership.candidate import MARGIN, Candidate


class Clock:
    now = 100.0

    def __call__(self):
        return self.now


def elected(candidate, clock, *, after_s=0.0, term=1):
    request = candidate.ask()
    clock.now += after_s
    candidate.answered(request, [(True, term, candidate.holder, 10.0)])


def test_the_belief_counts_from_the_asking_and_ends_before_the_lease():
    """An answer that took four of ten seconds leaves five, less than the six that the lease may have."""
    clock = Clock()
    candidate = Candidate("a", 10.0, clock)
    elected(candidate, clock, after_s=4.0, term=7)
    assert candidate.term == 7
    clock.now = 100.0 + 10.0 * (1 - MARGIN) - 0.001
    assert candidate.term == 7
    clock.now += 0.002
    assert candidate.term is None


def test_an_answer_that_comes_after_the_lease_is_not_believed():
    """It was elected, and by the time it hears of it, it leads no more."""
    clock = Clock()
    candidate = Candidate("a", 10.0, clock)
    elected(candidate, clock, after_s=9.5)
    assert candidate.term is None
    assert candidate.may_hold


def test_it_asks_for_election_then_renews_then_asks_for_election_again():
    """A renewal that finds nothing ends the belief at once."""
    clock = Clock()
    candidate = Candidate("a", 10.0, clock)
    elected(candidate, clock, term=3)
    request = candidate.ask()
    assert (request.statement, request.params) == ("renew", {"holder": "a", "term": 3, "lease_s": 10.0})
    candidate.answered(request, [])
    assert candidate.term is None
    assert not candidate.may_hold
    assert candidate.ask().statement == "elect"


def test_whoever_is_not_elected_is_told_when_to_ask_again():
    """After the seconds that are left of the other's lease; at once if that has ended."""
    clock = Clock()
    candidate = Candidate("a", 10.0, clock)
    assert candidate.answered(candidate.ask(), [(False, 1, "b", 4.5)]) == 4.5
    assert candidate.answered(candidate.ask(), [(False, 1, "b", -2.0)]) == 0
    assert candidate.term is None
    assert not candidate.may_hold


def test_a_missing_answer_is_remembered_until_it_has_resigned():
    """It may hold the row without knowing so, and must give it back."""
    candidate = Candidate("a", 10.0, Clock())
    candidate.ask()
    candidate.drop()
    assert candidate.may_hold
    candidate.resigned()
    assert not candidate.may_hold
