"""What a filter says of a word that it does not know: the nearest one, and what there is, once."""

from __future__ import annotations

import pytest

from chancy import JobFilter
from chancy.errors import InvalidFilter


@pytest.mark.parametrize("text", ["state:zzzz", "state:fialed", "zzzz:1", "fucn:a.*"])
def test_what_is_known_was_listed_twice(text):
    """However far the word is from what there is, the list of it comes once."""
    with pytest.raises(InvalidFilter) as caught:
        JobFilter.parse(text)
    said = str(caught.value)
    assert "Known:" not in said
    assert said.count(": id, state, queue") + said.count(": scheduled, pending") == 1
    assert ("Did you mean" in said) == ("zzzz" not in text)
