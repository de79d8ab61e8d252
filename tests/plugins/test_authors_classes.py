"""What authors of plugins get wrong in the class: told, with its file and the cure."""

from __future__ import annotations

import pytest
from authors import Author

from chancy import Chancy, ChancyError

CLASSES = {
    "forgot hookimpl": (
        'name = "audit"\n    def on_push(self, jobs): ...',
        "on_push is named like a hook and not marked, so it is never called: put `@hookimpl` above it",
    ),
    "forgot hookimpl, and async": (
        'name = "audit"\n    async def on_tick(self, tick): ...',
        "on_tick is named like a hook and not marked",
    ),
    "marked a static method outside": (
        'name = "audit"\n    @hookimpl\n    @staticmethod\n    def on_push(jobs): ...',
        "on_push is a staticmethod whose mark does not count: put `@hookimpl` right above def",
    ),
    "a hook that is no method": (
        'name = "audit"\n    migrations: ClassVar[list] = []',
        "make it a method, or rename it",
    ),
    "own __init__": (
        'name = "audit"\n    def __init__(self, keep_days): self.keep_days = keep_days',
        "has an __init__ of its own, which would never be called: make each of its arguments a setting",
    ),
    "a setting without a type": (
        'name = "audit"\n    keep_days = 30',
        "`keep_days = 30` in Audit has no annotation, so it is no setting: write `keep_days: int = 30`",
    ),
    "an interval without a type": (
        'name = "audit"\n    interval = 5.0\n    @hookimpl\n    async def on_tick(self, tick): ...',
        "`interval = 5.0` in Audit has no annotation, so it is no setting: write `interval: float | None = 5.0`",
    ),
    "a default that others could change": (
        'name = "audit"\n    queues: list[str] = ["a"]',
        "Instead configure a `default_factory`",
    ),
    "no name": ("keep_days: int = 30", 'it has no name: write `name = "…"` in the class.'),
    "the name as a setting": ('name: str = "audit"', "its name is annotated, which makes it a setting"),
    "a name that is no name": ('name = "au dit"', "its name is 'au dit': give 1 to 50 letters, digits"),
    "the kernel's name": ('name = "kernel"', "its name is 'kernel': give"),
    "another name than its entry point": (
        'name = "audits"',
        "calls itself 'audits', and its entry point 'audit': both names must be the same. Change the one in the class",
    ),
    "a setting called enabled": ('name = "audit"\n    enabled: bool = True', "take another name"),
    "def where async def belongs": (
        'name = "audit"\n    @hookimpl\n    def on_complete(self, outcomes, connection): ...',
        "on_complete(outcomes, connection) must be `async def`",
    ),
    "async def where def belongs": (
        'name = "audit"\n    @hookimpl\n    async def on_push(self, jobs): ...',
        "on_push(jobs) must be `def`, not `async def`",
    ),
    "a misspelt hook": (
        'name = "audit"\n    @hookimpl\n    def on_pusch(self, jobs): ...',
        "on_pusch(jobs) is no hook. Did you mean 'on_push'?",
    ),
    "a misspelt argument": (
        'name = "audit"\n    @hookimpl\n    def on_push(self, job): ...',
        "on_push(job) has no argument 'job'. Did you mean 'jobs'?",
    ),
    "an argument with a default": (
        'name = "audit"\n    @hookimpl\n    def on_push(self, jobs=()): ...',
        "jobs has a default, which is never used: remove it",
    ),
    "a tick that never comes": (
        'name = "audit"\n    @hookimpl\n    async def on_tick(self, tick): ...',
        "on_tick is never called, because interval is None: write `interval: float | None = 60.0`",
    ),
    "a default of the wrong type": (
        'name = "audit"\n    keep_days: int = "30"',
        "keep_days is '30': give a whole number",
    ),
    "an interval that is too short": (
        'name = "audit"\n    interval: float | None = 1e-9',
        "interval is 1e-09: give seconds from 0.01 to 31,536,000, or None for no ticks.",
    ),
}


@pytest.mark.parametrize(("body", "told"), CLASSES.values(), ids=CLASSES)
def test_a_mistake_in_an_installed_plugin_is_told(author: Author, body: str, told: str) -> None:
    """With the name of the plugin, or of its distribution; the file, or the entry point; and what to write instead."""
    author.writes(f"class Audit(Plugin):\n    {body}\n")
    error = author.error()
    assert told in error
    assert "audit" in error
    assert str(author.file) in error or "acme-audit 1.0" in error or "chancy.toml: plugins.audit" in error


@pytest.mark.parametrize(
    ("body", "told"),
    [case for name, case in CLASSES.items() if "entry point" not in name],
    ids=[name for name in CLASSES if "entry point" not in name],
)
def test_a_mistake_in_a_plugin_that_is_given_in_code_is_told(author: Author, body: str, told: str) -> None:
    """The same, with the file."""
    author.writes(f"class Audit(Plugin):\n    {body}\n")
    with pytest.raises(ChancyError) as caught:
        Chancy("postgresql://", discover=False, plugins=[author.written()()])
    assert told in str(caught.value)
    assert str(author.file) in str(caught.value)


def test_all_mistakes_of_a_plugin_are_told_together(author: Author) -> None:
    """So that they can be mended together."""
    author.writes(
        """
        class Audit(Plugin):
            name = "audit"
            keep_days = 30
            def on_claim(self, jobs): ...
            @hookimpl
            async def on_push(self, jobs): ...
        """
    )
    error = author.error()
    assert all(part in error for part in ("keep_days", "on_claim", "on_push(jobs) must be `def`"))


def test_what_is_no_mistake_is_no_error(author: Author) -> None:
    """Constants, helpers, properties, nested classes and hooks that are static methods; a property that raises."""
    author.writes(
        """
        class Audit(Plugin):
            name = "audit"
            LIMIT = 5
            _cache = {}
            keep: ClassVar[int] = 7
            leader_only = True
            answer_within_s = 2.0
            interval: float | None = 5

            class Row: ...

            @property
            def moody(self):
                raise RuntimeError("not now")

            def helper(self): ...

            @staticmethod
            @hookimpl
            def on_push(jobs): ...

            @hookimpl
            async def on_tick(self, tick): ...
        """
    )
    config = author.settings("[plugins.audit]\ninterval = 6")
    (loaded,) = Chancy("postgresql://", config=config, discover=True).plugins.loaded
    assert (loaded.name, loaded.plugin.interval) == ("audit", 6.0)
