"""Pages to look things up in list what the code has: events, errors, exit codes, metrics, decisions, promises."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

from chancy import errors
from chancy_core.worker import Stopped

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs/reference"
LEVELS = ("debug", "info", "warning", "error")
# Events whose names are put together: what stands in the code for the part that is.
MADE_OF = {"_refused": ("promote", "sweep"), "_put_off": ("promote", "sweep")}
# Events that a variable names, which is set from these.
NAMED_BY_A_VARIABLE = {"jobs_handed_back", "jobs_put_off", "jobs_cancelled", "finding"}
# How the page writes what adds a traceback.
TRACEBACK = {"exc_text": "exc_info"}
# An example that shares fewer letters with a message of the code than that says nothing about it.
LETTERS_MIN = 12


@cache
def nodes() -> list[ast.AST]:
    """Whatever calls, names or says something in the kernel and the plugins."""
    folders = [ROOT / "chancy_core", *ROOT.glob("plugins/*/src")]
    parsed = [ast.parse(file.read_text()) for folder in folders for file in sorted(folder.rglob("*.py"))]
    kinds = (ast.Call, ast.Constant, ast.JoinedStr, ast.BinOp)
    return [node for source in parsed for node in ast.walk(source) if isinstance(node, kinds)]


def rows(page: Path, columns: int) -> list[list[str]]:
    """The rows of tables whose first cell is code, or a number."""
    found = re.findall(r"^\| ((?:`\w+`|\d+) \|.*)\|$", page.read_text(), re.MULTILINE)
    return [cells for row in found if len(cells := [cell.strip() for cell in row.split("|")]) == columns]


@cache
def events() -> dict[str, tuple[set[str], set[str]]]:
    """What the code logs: by each name the levels and the fields."""
    found: dict[str, tuple[set[str], set[str]]] = defaultdict(lambda: (set(), set()))
    for node in nodes():
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
            continue
        if ast.unparse(node.func.value) not in ("log", "log.log") or not node.args:
            continue
        first, names = node.args[0], []
        if isinstance(first, ast.Constant):
            names = [first.value]
        elif isinstance(first, ast.JoinedStr):
            (end,) = [part.value for part in first.values if isinstance(part, ast.Constant)]
            names = [f"{word}{end}" for word in MADE_OF[end]]
        for name in names:
            levels, fields = found[name]
            levels.add(node.func.attr)
            fields |= {TRACEBACK.get(one.arg, one.arg) for one in node.keywords if one.arg}
    return found


EVENTS = {cells[0].strip("`"): cells for cells in rows(REFERENCE / "events.md", 5)}


def test_every_event_of_the_code_is_on_the_page_and_no_other():
    """A new one is missed, and one that is gone is noticed."""
    assert len(events()) > 100
    assert set(events()) | NAMED_BY_A_VARIABLE == set(EVENTS)
    constants = {node.value for node in nodes() if isinstance(node, ast.Constant)}
    assert constants >= NAMED_BY_A_VARIABLE


def test_the_row_of_an_event_has_its_levels_and_fields():
    """Those that the code gives it where it is written."""
    for name, (levels, fields) in events().items():
        _, told, named, *_ = EVENTS[name]
        assert set(re.findall(r"\w+", told)) - {"or"} == levels, name
        assert fields <= set(re.findall(r"`(\w+)`", named)), name


def template(node: ast.AST) -> str | None:
    """The expression that a text of the code matches: whatever is filled in may be anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return re.escape(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(template(part) or ".*" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return f"{template(node.left) or '.*'}{template(node.right) or '.*'}"
    return None


ERRORS = re.findall(r"^### `(\w+)`\n(.*?)(?=^##)", (REFERENCE / "errors.md").read_text(), re.MULTILINE | re.DOTALL)


def test_every_error_has_its_section():
    """Those of `chancy.errors`, and those that plugins raise, each once."""
    theirs = {
        node.name
        for file in ROOT.glob("plugins/*/src/*/errors.py")
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.ClassDef)
    }
    assert sorted(name for name, _ in ERRORS) == sorted({*errors.__all__, *theirs})


@pytest.mark.parametrize("name", errors.__all__)
def test_the_section_of_an_error_names_what_else_catches_it(name):
    """The class of Python, or of Chancy, that it is besides a ChancyError."""
    kind = getattr(errors, name)
    told = re.match(r"\nAn? `(\w+)`", dict(ERRORS)[name])
    if kind is not errors.ChancyError:
        assert told
        assert told[1] in [base.__name__ for base in kind.__bases__]


def test_every_message_that_is_shown_is_one_of_the_code():
    """With something in the place of what is filled in there."""
    texts = [
        found for node in nodes() if (found := template(node)) and len(re.sub(r"\\|\.\*", "", found)) >= LETTERS_MIN
    ]
    patterns = [re.compile(one, re.DOTALL) for one in texts]
    shown = [
        example for _, text in ERRORS for example in re.findall(r"^```text\n(.*?)\n```", text, re.MULTILINE | re.DOTALL)
    ]
    assert len(shown) > 25
    assert [example for example in shown if not any(pattern.fullmatch(example) for pattern in patterns)] == []
    assert not any(pattern.fullmatch("Nobody has ever written this.") for pattern in patterns)


def test_every_exit_code_has_its_row():
    """The page has those that commands list in their help, and those of a worker, and no others."""
    listed = re.findall(r"^Exit codes: (.*)\.$", (REFERENCE / "cli.md").read_text(), re.MULTILINE)
    codes = {int(code) for line in listed for code in re.findall(r"(?:^|; )(\d+) ", line)}
    assert codes >= {0, 1, 2, *Stopped}
    assert codes == {int(cells[0]) for cells in rows(REFERENCE / "exit-codes.md", 4)}


def test_every_metric_has_its_row():
    """Whatever chancy-metrics and chancy-workflow name is on the page, and whatever is on the page they name."""
    written = {cells[0].strip("`"): cells[1] for cells in rows(REFERENCE / "metrics.md", 4)}
    files = [*(ROOT / "plugins/metrics/src/chancy_metrics").glob("*.py")]
    constants = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    named = {one for one in constants if re.fullmatch(r"chancy_(?!metrics)[a-z_]+[a-z]", one)}
    ours = {name.removesuffix("_total") if kind == "counter" else name for name, kind in written.items()}
    assert {one for one in ours if not one.startswith("chancy_workflow_")} == named
    theirs = (ROOT / "plugins/workflow/README.md").read_text()
    assert {one for one in ours if one.startswith("chancy_workflow_")} == set(
        re.findall(r"^\| `(chancy_\w+)`", theirs, re.MULTILINE)
    )


def test_every_decision_is_on_their_page():
    """Once, by its number and with its title: a new one needs a line in docs/adr/README.md."""
    listed = re.findall(r"^\* \[(\d+)\. ([^\]]+)\]\(([^)]+)\)", (ROOT / "docs/adr/README.md").read_text(), re.MULTILINE)
    files = sorted(file.name for file in (ROOT / "docs/adr").glob("[0-9]*.md"))
    assert sorted(name for *_, name in listed) == files
    for number, title, name in listed:
        head = (ROOT / "docs/adr" / name).read_text().partition("\n")[0]
        assert name.startswith(f"{int(number):04}-")
        assert head.startswith(f"# {number}. {title}"), f"{name} is called {head!r}"


def test_every_promise_of_security_names_a_test_that_there_is():
    """Whatever is said to hold a promise exists, in the kernel's tests or a plugin's."""
    _, _, table = (ROOT / "docs/explanation/security.md").read_text().partition("## Each promise, and its test\n")
    promises = re.findall(r"^\| [^|]+ \| ((?:`test_\w+`(?:, )?)+) \|$", table.partition("\n## ")[0], re.MULTILINE)
    assert len(promises) == len(re.findall(r"^\| ", table.partition("\n## ")[0], re.MULTILINE)) - 1
    folders = (ROOT / "tests", *ROOT.glob("plugins/*/tests"))
    there = {
        name
        for folder in folders
        for file in folder.rglob("test_*.py")
        for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE)
    }
    assert {name for names in promises for name in re.findall(r"`(\w+)`", names)} - there == set()


def test_every_word_of_the_style_is_in_the_glossary():
    """The words that the code and the pages use for one thing each."""
    words = re.findall(r"^\| \*\*([^*]+)\*\* \|", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE)
    assert len(words) == len(set(words))
    ours = """push claim run finish outcome attempt retry snooze cancel rescue promote prune lease heartbeat leader tick
        plugin hook schedule queue worker executor slot Reference backoff term step signal event finding state"""
    assert set(ours.split()) - set(words) == set()


def test_whoever_reports_a_fault_is_asked_for_what_helps():
    """The form asks for what the doctor says, for the settings and the versions, and says where holes are reported."""
    form = (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text()
    for asked in ("chancy doctor --json", "chancy config", "chancy --version", "SECURITY.md"):
        assert asked in form
