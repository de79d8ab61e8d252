"""The statements, on a real PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import psycopg
import pytest

from chancy import statement

PACKAGE = "chancy_leadership.sql"


@pytest.fixture
def ask(dsn, migrated):
    """Runs a statement on a connection that stays open, and returns its rows."""
    with psycopg.connect(dsn, autocommit=True) as connection:

        def run(name, **params):
            if name == "resign":
                params.setdefault("channel", None)
            return connection.execute(statement(name, migrated, PACKAGE), params).fetchall()

        yield run


def test_an_election_goes_to_whoever_comes_first_and_tells_the_others_how_long_to_wait(ask):
    """The first one leads in term 1; the second is told who does, and the seconds that are left."""
    assert ask("elect", holder="a", lease_s=15)[0][:3] == (True, 1, "a")
    elected, term, holder, left_s = ask("elect", holder="b", lease_s=15)[0]
    assert (elected, term, holder) == (False, 1, "a")
    assert 14 < left_s <= 15


def test_each_election_raises_the_term(ask):
    """A lease that has run out, and a resignation, both lead to a greater number."""
    assert ask("elect", holder="a", lease_s=0)[0][:2] == (True, 1)
    assert ask("elect", holder="b", lease_s=15)[0][:2] == (True, 2)
    assert ask("resign", holder="b")[0][0] == 2
    assert ask("elect", holder="a", lease_s=15)[0][:2] == (True, 3)


def test_a_holder_that_lost_the_answer_is_elected_anew(ask):
    """Nobody else can lead meanwhile, and a later term shows that it is another one."""
    ask("elect", holder="a", lease_s=15)
    assert ask("elect", holder="a", lease_s=15)[0][:3] == (True, 2, "a")


def test_only_the_holder_renews_and_only_in_its_term(ask):
    """Another name, or an earlier term, changes nothing."""
    ask("elect", holder="a", lease_s=0)
    ask("elect", holder="a", lease_s=0)
    assert ask("renew", holder="b", term=2, lease_s=15) == []
    assert ask("renew", holder="a", term=1, lease_s=15) == []
    assert ask("renew", holder="a", term=3, lease_s=15) == []
    assert ask("get_leader")[0][4] <= 0
    assert ask("renew", holder="a", term=2, lease_s=15) == [(2,)]
    assert ask("get_leader")[0][4] > 14


def test_a_renewal_that_arrives_late_does_not_unseat_the_next_leader(ask):
    """It was sent in term 1 and arrives in term 2."""
    ask("elect", holder="a", lease_s=0)
    ask("elect", holder="b", lease_s=15)
    assert ask("renew", holder="a", term=1, lease_s=15) == []
    assert ask("get_leader")[0][:2] == ("b", 2)


def test_nobody_can_resign_for_another_and_no_renewal_undoes_it(ask):
    """A renewal that was on its way when its leader resigned finds nothing."""
    ask("elect", holder="a", lease_s=15)
    assert ask("resign", holder="b") == []
    assert ask("resign", holder="a")[0][0] == 1
    assert ask("renew", holder="a", term=1, lease_s=15) == []
    assert ask("elect", holder="b", lease_s=15)[0][0] is True


def test_of_many_at_once_one_is_elected(dsn, migrated):
    """Eight ask at the same moment, twenty times over: one is elected each time, and each time in a new term."""
    count, turns = 8, 20
    barrier = threading.Barrier(count)

    def stand(number):
        try:
            return stand_in_turns(number)
        except BaseException:
            barrier.abort()
            raise

    def stand_in_turns(number):
        answers = []
        with psycopg.connect(dsn, autocommit=True) as connection:
            for turn in range(turns):
                barrier.wait(60)
                params = {"holder": f"{number} in turn {turn}", "lease_s": 60}
                rows = connection.execute(statement("elect", migrated, PACKAGE), params).fetchall()
                elected = [row[1] for row in rows if row[0]]
                answers.append(elected)
                barrier.wait(60)
                if elected:
                    params = {"holder": params["holder"], "channel": None}
                    connection.execute(statement("resign", migrated, PACKAGE), params)
        return answers

    with ThreadPoolExecutor(count) as pool:
        by_candidate = list(pool.map(stand, range(count)))
    elected = [sorted(term for answers in by_candidate for term in answers[turn]) for turn in range(turns)]
    assert elected == [[turn + 1] for turn in range(turns)]


@contextmanager
def fenced(dsn, schema, **params):
    with psycopg.connect(dsn) as connection:
        yield connection.execute(statement("fence", schema, PACKAGE), params).fetchall()


def test_a_fence_holds_off_elections_and_lets_renewals_through(dsn, migrated, ask):
    """The lease has run out, and still nobody else is elected until the fenced transaction has ended."""
    ask("elect", holder="a", lease_s=0)
    with psycopg.connect(dsn, autocommit=True) as impatient:
        impatient.execute("SET lock_timeout = '200ms'")
        elect = statement("elect", migrated, PACKAGE)
        with fenced(dsn, migrated, holder="a", term=1) as found:
            assert found == [(1,)]
            with pytest.raises(psycopg.errors.LockNotAvailable):
                impatient.execute(elect, {"holder": "b", "lease_s": 15})
            assert ask("renew", holder="a", term=1, lease_s=0) == [(1,)]
        assert impatient.execute(elect, {"holder": "b", "lease_s": 15}).fetchone()[:2] == (True, 2)
    with fenced(dsn, migrated, holder="a", term=1) as found:
        assert found == []


def test_terms_below_one_and_a_second_row_are_refused(query, ask):
    """What must never be is refused by the database itself: a term below one with a leader, two rows."""
    ask("elect", holder="a", lease_s=15)
    with pytest.raises(psycopg.errors.CheckViolation):
        query("UPDATE {s}.leadership SET term = 0")
    with pytest.raises(psycopg.errors.CheckViolation):
        query("INSERT INTO {s}.leadership VALUES (false, 'b', 2, now(), now())")
