"""A child hears of its jobs and of what is said about them, whichever of its threads reads."""

from __future__ import annotations

import socket
import threading
import time

import pytest
from support import WITHIN_S

from chancy_core.executors.processes import listening
from chancy_core.executors.processes.frames import Begin, RunJob, Stop, frame
from chancy_core.executors.processes.listening import Listener


class Line:
    """Both ends of a child's line, and what was heard."""

    def __init__(self):
        self.worker, self.child = socket.socketpair()
        self.heard = []
        self.came = threading.Event()
        self.listener = Listener(self.child, self._hear)
        self.listener.start()

    def _hear(self, message):
        self.heard.append(message)
        self.came.set()

    def say(self, *messages):
        self.worker.sendall(b"".join(map(frame, messages)))

    def wait_heard(self):
        assert self.came.wait(WITHIN_S)
        self.came.clear()


@pytest.fixture
def exits(monkeypatch):
    """Set when a child would have ended itself."""
    ended = threading.Event()
    monkeypatch.setattr(listening.os, "_exit", lambda _: ended.set())
    return ended


@pytest.fixture
def line(exits):
    made = Line()
    yield made
    # Whoever reads then finds the end.
    made.worker.close()
    while made.listener.next() is not None:
        pass


def run(number):
    return RunJob(number, b"", b"")


def test_a_job_that_goes_on_hears_that_it_is_to_stop(line):
    """While it runs, again and again; and after the other thread has slept."""
    line.say(Begin([], b""))
    assert isinstance(line.listener.next(), Begin)
    for number in range(1, 6):
        line.say(run(number), Stop(number, "CANCELLED"))
        assert line.listener.next().number == number
        line.wait_heard()
        line.say(Stop(number, "SHUTDOWN"))
        line.wait_heard()
    assert [message.number for message in line.heard] == [n for n in range(1, 6) for _ in range(2)]


def test_a_job_is_heard_of_although_nothing_was_to_be_done_for_long(line, monkeypatch):
    """The other thread sleeps after a while, and wakes up with the next job."""
    monkeypatch.setattr(listening, "LOOKS_MAX", 1)
    for number in range(1, 8):
        waits = threading.Timer(0.05, line.say, [run(number), Stop(number, "CANCELLED")])
        waits.start()
        assert line.listener.next().number == number
        line.wait_heard()
        waits.join()


def test_every_job_comes_once_and_in_order(line):
    """Short ones and long ones, so that reading changes hands between any two."""
    count = 300

    def ask():
        for number in range(1, count + 1):
            line.say(run(number))
            if number % 3 == 0:
                line.say(Stop(number, "CANCELLED"))
            if number % 10 == 0:
                time.sleep(0.02)

    asking = threading.Thread(target=ask)
    asking.start()
    found = []
    for number in range(count):
        found.append(line.listener.next().number)
        if number % 20 == 0:
            # Longer than it takes until the other thread reads.
            time.sleep(0.03)
    asking.join()
    assert found == list(range(1, count + 1))
    assert [message.number for message in line.heard] == list(range(3, 3 * len(line.heard) + 1, 3))


def test_the_end_of_the_line_ends_an_idle_child(line, exits):
    line.worker.close()
    assert line.listener.next() is None
    assert not exits.is_set()


def test_the_end_of_the_line_ends_a_child_whose_job_goes_on(line, exits):
    """At once, since the job may hang, and nobody waits for it."""
    line.say(run(1))
    line.listener.next()
    line.worker.close()
    assert exits.wait(WITHIN_S)


def test_the_end_of_the_line_during_the_set_up_is_heard_after_it(line, exits):
    """The set-up may have opened something that it closes again."""
    line.say(Begin([], b""))
    assert isinstance(line.listener.next(), Begin)
    line.worker.close()
    time.sleep(0.05)
    assert line.listener.next() is None
    assert not exits.is_set()
