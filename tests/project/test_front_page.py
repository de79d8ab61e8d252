"""The README: one screen, and nothing on it that is not so."""

from __future__ import annotations

import re

import pytest
from docpages import BLOCK, ROOT

README = (ROOT / "README.md").read_text()
MEASURED = (ROOT / "docs/explanation/performance.md").read_text()
ROWS = [
    [cell.strip(" *") for cell in row.split("|")[1:-1]] for row in re.findall(r"^\|.*\|$", README, re.MULTILINE)[2:]
]
PEERS = [row for row in ROWS if row[0] != "Chancy"]


def figures(what: str, peer: str) -> tuple[str, ...]:
    """Chancy's and the peer's, as the table of what was measured has them."""
    row = re.search(rf"^{re.escape(f'{what} / {peer} ')} +([\d,]+)/s +\S+(?: %)? +([\d,]+)/s ", MEASURED, re.MULTILINE)
    return row.groups()


def test_the_front_page_was_longer_than_a_screen() -> None:
    """What it is, why, how, the picture and the comparison: nobody scrolls for long, or reads an essay."""
    prose, _, _ = re.sub(r"^```.*?^```\n", "", README, flags=re.DOTALL | re.MULTILINE).partition("## Beside others")
    assert len(prose.split()) < 400
    assert len(README.splitlines()) < 125


@pytest.mark.parametrize("row", PEERS, ids=lambda row: row[0])
def test_a_figure_of_a_peer_was_not_the_measured_one(row: list[str]) -> None:
    """The figures of the table are those of the page about what was measured, in one run."""
    peer, *_, drained, pushed = row
    (ours,) = (row[-2:] for row in ROWS if row[0] == "Chancy")
    if drained == pushed == "not measured":
        assert f"drain, one worker process / {peer} " not in MEASURED
        return
    assert figures("drain, one worker process", peer) == (ours[0], drained)
    assert figures("bulk push", peer) == (ours[1], pushed)


def test_the_front_page_compared_with_fewer_than_six() -> None:
    assert len(PEERS) >= 6


def test_the_screen_of_the_front_page_was_another_one() -> None:
    """What is shown of `chancy top` has its headings, in its order."""
    screen = pytest.importorskip("chancy_doctor.top.screen", reason="needs chancy-doctor")
    (shown,) = [code for kind, _, _, code in BLOCK.findall(README) if kind == "text"]
    headings = "".join(rf"(?: +{re.escape(name)}↓?)?" for name in screen.COLUMNS)
    assert re.search(rf"^ *QUEUE{headings}$", shown, re.MULTILINE)
    assert re.search(r"^ *WORKER ", shown, re.MULTILINE)
