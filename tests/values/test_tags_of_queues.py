"""Tags: what may be given, what is refused, and which expressions match no worker."""

from __future__ import annotations

import platform
from datetime import UTC, datetime

import pytest

from chancy import Queue
from chancy_core.errors import InvalidQueue
from chancy_core.values.owntags import own_tags, tag_doubt
from chancy_core.values.queue import QueueState, check_declarable
from chancy_core.values.serving import is_named, unmet

OWN = own_tags(hostname="web1", worker="w", python="3.11.8", system="Linux", machine="x86_64")


@pytest.mark.parametrize("tags", [["a", "b"], ("a", "b"), {"b", "a"}, frozenset({"b", "a"})])
def test_tags_are_taken_from_lists_tuples_and_sets(tags):
    """And are a list then; a set gives the same one in every process."""
    assert Queue("q", tags=tags).tags == ["a", "b"]


@pytest.mark.parametrize("tags", ["gpu", "python=3.11", ""])
def test_a_string_of_tags_was_a_list_of_its_letters(tags):
    """It is refused, with what to write."""
    with pytest.raises(InvalidQueue) as caught:
        Queue("q", tags=tags)
    assert f"tags is {tags!r}, one string; give a list of regular expressions, as in tags=[{tags!r}]." in str(
        caught.value
    )


@pytest.mark.parametrize("tag", ["*", "*gpu", "(", "[a", "+"])
def test_an_expression_that_is_none_is_refused(tag):
    """Where the queue is made."""
    with pytest.raises(InvalidQueue, match="is not a regular expression") as caught:
        Queue("q", tags=[tag])
    assert ("Any characters are .* in one" in str(caught.value)) is tag.startswith("*")


def test_a_queue_that_nobody_could_serve_is_not_declared():
    """Without any tag; one that resumes although it is not paused; but such rows can be read."""
    with pytest.raises(InvalidQueue, match="tags is empty, so that no worker would serve it"):
        check_declarable(Queue("q", tags=[]))


@pytest.mark.parametrize(
    ("tag", "serves"),
    [
        (r"python=3\.11\..*", True),
        (r"python=3\.11\.[0-9]+", True),
        (r"python=3\.1[0-2]\..*", True),
        ("python=3.11.8", True),
        ("python=3.11", False),
        (r"python=3\.12\..*", False),
        ("os=Linux", True),
        ("os=(Linux|Darwin)", True),
        ("os=linux", False),
        ("arch=x86_64", True),
        ("arch=.*64", True),
        ("hostname=web1", True),
        ("hostname=web[0-9]+", True),
        ("hostname=web", False),
        ("worker=w", True),
        ("worker_id=w", True),
        (".*", True),
        (r"\*", True),
    ],
)
def test_automatic_tags_are_matched_whole(tag, serves):
    """As those that somebody gives a worker are."""
    assert Queue("q", tags=[tag]).serves(OWN) is serves


@pytest.mark.parametrize(
    ("tag", "cure"),
    [
        ("python=3.11", r"write r'python=3\.11\..*'"),
        (r"python=3\.11", r"write r'python=3\.11\..*'"),
        ("python=3", r"write r'python=3\..*'"),
        ("python=cpython", "theirs are such as python=3.11.8"),
        ("os=linux", "Did you mean 'Linux'?"),
        ("os=MacOS", "theirs are such as os=Linux"),
        ("arch=x86", "Did you mean 'x86_64'?"),
    ],
)
def test_an_expression_that_means_an_automatic_tag_and_matches_none_is_doubted(tag, cure):
    """With what to write."""
    assert cure in tag_doubt(tag)


@pytest.mark.parametrize(
    "tag",
    [
        "gpu", "has=gpu", ".*", "hostname=anything", "worker=w", r"python=3\.11\..*", "python=.*", "python=3.12.*",
        "os=.*", "os=Linux", "arch=aarch64",
    ],
)  # fmt: skip
def test_what_may_match_is_not_doubted(tag):
    """Words of one's own, machines, and whatever some worker could have."""
    assert tag_doubt(tag) is None


def test_this_very_machine_is_not_doubted():
    """Whatever it is."""
    assert tag_doubt(f"os={platform.system()}") is None
    assert tag_doubt(f"arch={platform.machine()}") is None
    assert tag_doubt(f"python=3.{platform.python_version_tuple()[1]}.0") is None


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("mail", True),
        ("mails", False),
        ("*", True),
        ("m*", True),
        ("*l", True),
        ("m*l", True),
        ("m*a*i*l", True),
        ("ma*ail", False),
        ("mail*mail", False),
        ("*x*", False),
        ("ma**il", True),
        ("*" * 50 + "x", False),
    ],
)
def test_names_of_queues_may_have_stars(name, fits):
    """Each stands for any characters, none included; the parts between them do not overlap."""
    assert is_named("mail", [name]) is fits
    assert unmet([name], ["mail"]) == ([] if fits else [name])


def test_who_was_told_nothing_serves_all():
    """None is for all; a name and a tag both have to match."""
    assert is_named("mail", None)
    assert unmet(None, []) == []
    gpu = Queue("video", tags=["gpu"])
    assert gpu.serves(["gpu"], ["video"])
    assert not gpu.serves(["gpu"], ["mail"])
    assert not gpu.serves(["*"], ["video"])


def test_resume_at_of_a_queue_that_is_not_paused_is_refused_at_its_declaration():
    """It would say nothing."""
    at = datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(InvalidQueue, match="and the queue is not paused"):
        check_declarable(Queue("q", resume_at=at))
    check_declarable(Queue("q", resume_at=at, state=QueueState.PAUSED))
