"""What the documentation lists is complete."""

from __future__ import annotations

import inspect
import re
from functools import cache
from typing import Any, get_args, get_origin

import msgspec
import pytest
from docpages import BLOCK, ROOT, prints

from chancy_core.config.settings import NAMES, TYPES, Settings, WorkerSettings
from chancy_core.plugins.check import SPECS
from chancy_core.values.job import Job
from chancy_core.values.queue import Queue
from chancy_core.values.queuedjob import QueuedJob
from chancy_core.worker import Stopped


def row_of(page: str, key: str) -> str:
    """The row of a table in a page that begins with a key."""
    rows = re.findall(rf"^\| `{key}` .*$", (ROOT / page).read_text(), re.MULTILINE)
    assert len(rows) == 1, f"{page} has {len(rows)} rows for {key}"
    return rows[0]


def bounds(hint: Any) -> list[float]:
    """The numbers that limit a setting."""
    found = []
    if hasattr(hint, "__metadata__"):
        found = [n for meta in hint.__metadata__ for n in (meta.ge, meta.le) if n is not None]
        return found + bounds(hint.__origin__)
    return [n for member in get_args(hint) for n in bounds(member)] if get_origin(hint) is not list else []


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_is_documented(name: str) -> None:
    """The page of settings has a row for each, with its default and its range as they are."""
    table, key = NAMES[name]
    row = row_of("docs/reference/settings.md", key)
    default = getattr(Settings() if table == "chancy" else WorkerSettings(), key)
    if isinstance(default, int | float) and not isinstance(default, bool):
        assert f"| {default:,g} |" in row.replace(",", "") or f"| {default:,.0f} |" in row
    elif default:
        assert str(default).lower() in row
    for bound in bounds(TYPES[table][key]):
        assert f"{bound:,}" in row


@pytest.mark.parametrize(("page", "struct"), [("jobs", Job), ("jobs", QueuedJob), ("queues", Queue)], ids=str)
def test_every_field_is_documented(page: str, struct: type[msgspec.Struct]) -> None:
    """The pages of jobs and queues have a row for each field."""
    for field in struct.__struct_fields__:
        row_of(f"docs/reference/{page}.md", field)


def test_every_exit_code_is_documented() -> None:
    """The page of workers says how each way to stop ends the process."""
    for how in Stopped:
        assert f"| {how.value} |" in row_of("docs/reference/workers.md", how.name)


HOOKS = {page: page.read_text() for page in sorted((ROOT / "docs/reference").glob("hooks-*.md"))}


def heading_of(hook: str) -> str:
    """The heading of a hook's section: its name, with its arguments."""
    return f"`{hook}({', '.join(inspect.signature(SPECS[hook]).parameters)})`"


def section_of(hook: str) -> str:
    """What the pages of hooks say of one, under its heading."""
    parts = "\n".join(HOOKS.values()).split(f"### {heading_of(hook)}\n")
    assert len(parts) == 2, f"one heading, please: {heading_of(hook)}"
    return re.split(r"^##{1,2} ", parts[1], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_is_documented(hook: str) -> None:
    """A hook's section begins with an example, and says with what it is called, when, where, and what raising does."""
    spec = SPECS[hook]
    kind = "async def" if inspect.iscoroutinefunction(spec) else "def"
    # The annotations are strings, and shown in quotes.
    signature = f"{kind} {hook}{inspect.signature(spec)}".replace("'", "")
    section = section_of(hook)
    arguments = [f"\n| `{name}` | " for name in inspect.signature(spec).parameters]
    told = ['\n```python title="run"\n', f"\n```python\n{signature}\n```\n", *arguments]
    told += ["\n* **When:** ", "\n* **Transaction:** ", "\n* **Raising:** "]
    for part in told:
        assert section.count(part) == 1, part
    assert sorted(told, key=section.index) == told


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_has_an_example(hook: str) -> None:
    """A hook's section has a program that implements it, and shows what that prints; it is run above."""
    (program,) = [code for _, title, _, code in BLOCK.findall(section_of(hook)) if title == "run"]
    assert re.search(rf"@hookimpl\n(    @\w+\n)*    (async )?def {hook}\(self", program)
    assert prints(program)


def test_every_hook_is_in_the_table_of_the_plugins_page() -> None:
    """With the way to its section, and no hook that is gone."""
    _, _, table = (ROOT / "docs/reference/plugins.md").read_text().partition("\n## Hooks\n")
    found = dict(re.findall(r"\[`(\w+)`\]\((hooks-\w+\.md#[\w-]+)\)", table.partition("\n**Batches.**")[0]))
    pages = {hook: page.name for page, text in HOOKS.items() for hook in SPECS if f"### {heading_of(hook)}\n" in text}
    anchors = {hook: re.sub(r"[^\w ]", "", heading_of(hook)).replace(" ", "-") for hook in SPECS}
    assert found == {hook: f"{pages[hook]}#{anchors[hook]}" for hook in SPECS}


def test_every_documented_hook_exists() -> None:
    """No section is about a hook that is gone."""
    told = re.findall(r"^### `(\w+)\(", "\n".join(HOOKS.values()), re.MULTILINE)
    assert sorted(told) == sorted(SPECS)


@pytest.mark.parametrize("hook", SPECS)
def test_every_hook_has_a_test(hook: str) -> None:
    """There is a test of the kernel that has the hook's name in its own."""
    assert [name for name in names_of_tests() if re.match(rf"test_(.*_)?{hook}(_|$)", name)]


@cache
def names_of_tests() -> list[str]:
    """The names of the kernel's tests."""
    found = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
    return [name for file in (ROOT / "tests").rglob("test_*.py") for name in found.findall(file.read_text())]
