"""Notices on the wire: what is sent stays what every version reads, and nothing that is sent can do harm."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import chancy_core
from chancy_core.values.notices import Notice, NoticeKind

WIRE = [
    (Notice.ready("default"), "ready:default", NoticeKind.READY),
    (Notice.back("a:b"), "back:a:b", NoticeKind.BACK),
    (Notice.due("q"), "due:q", NoticeKind.DUE),
    (Notice.due(), "due:", NoticeKind.DUE),
    (Notice.room("q"), "room:q", NoticeKind.ROOM),
    (Notice.ended(), "ended:", NoticeKind.ENDED),
    (Notice.queues("q"), "queues:q", NoticeKind.QUEUES),
    (Notice.cancel("host-1-abc"), "cancel:host-1-abc", NoticeKind.CANCEL),
]
UNKNOWN = ["", ":", ":q", "ready", "READY:q", " ready:q", "paused:q", "ready\n:q", "{}", "\ufffd:q", "x" * 7999]


@pytest.mark.parametrize(("notice", "text", "kind"), WIRE)
def test_what_is_sent_stays_as_it_is(notice, text, kind):
    """Workers of two versions run side by side during a deploy, so that the text of each kind never changes."""
    assert notice.encoded == text
    assert notice.kind is kind


@pytest.mark.parametrize("notice", [notice for notice, _, _ in WIRE])
def test_what_is_sent_is_read_back(notice):
    """Decoding gives the notice that was encoded, equal and with the same hash."""
    found = Notice.decode(notice.encoded)
    assert found == notice
    assert hash(found) == hash(notice)
    assert found.name == notice.name


def test_every_kind_is_tested_here():
    """A new kind comes with its text."""
    assert {kind for _, _, kind in WIRE} == set(NoticeKind)


@pytest.mark.parametrize("payload", UNKNOWN)
def test_anything_else_is_no_notice(payload):
    """Whatever newer code or somebody by hand sends is None, and no error."""
    assert Notice.decode(payload) is None


def test_a_push_to_the_same_queue_makes_no_new_notice():
    """Pushes tell the same queues again and again: the value is made once."""
    assert Notice.ready("default") is Notice.ready("default")


def test_nobody_else_spells_a_notice():
    """The text of a notice is written in one file only."""
    spelled = re.compile(rf"""["'](?:{"|".join(NoticeKind)}):""")
    root = Path(chancy_core.__file__).parent
    found = {
        file.relative_to(root).as_posix() for file in root.rglob("*.py") if spelled.search(file.read_text("utf-8"))
    }
    assert found <= {"values/notices.py"}
