"""A provider is found wherever an annotation may have it: behind an alias, beside None, and in a text."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Optional

import pytest
from typing_extensions import TypeAliasType

from chancy import provides
from chancy_core.values.provided import provider_in


class Client:
    """A resource."""


@provides
def pool() -> Client:
    return Client()


Pool = Annotated[Client, pool]
Maybe = Optional["Pool"]
Named = TypeAliasType("Named", Annotated[Client, pool])
Itself = TypeAliasType("Itself", Optional["Itself"])
NAMES = {**globals()}


@pytest.mark.parametrize(
    "annotation",
    [
        "Annotated[Client, pool]",
        "Pool",
        "Pool | None",
        "None | Pool",
        "Optional[Pool]",
        "Maybe",
        "'Pool'",
        "Annotated[Client, pool] | None",
        "Annotated[Pool | None, 'what it is']",
        "Annotated[Maybe, 5]",
        "Named",
        "Named | None",
        "Annotated[Named, 5]",
        # Imported for type checkers only.
        "Annotated[Missing, pool]",
        "Pool | Missing",
        "Named | Missing",
    ],
)
def test_a_provider_behind_an_alias_is_seen(annotation):
    """As a text, which `from __future__ import annotations` makes of each, and as what the text says."""
    assert provider_in(annotation, NAMES) is pool
    if "Missing" not in annotation:
        assert provider_in(eval(annotation, NAMES), NAMES) is pool


@pytest.mark.skipif(sys.version_info < (3, 12), reason="the statement came with 3.12")
def test_a_provider_in_a_type_statement_is_seen():
    names: dict[str, Any] = {**NAMES}
    exec("type Own = Annotated[Client, pool]", names)
    assert provider_in("Own", names) is pool
    assert provider_in("Own | None", names) is pool


@pytest.mark.parametrize(
    "annotation",
    [
        "Client",
        "Client | None",
        "list[Pool]",
        "Literal['pool']",
        "Literal['pool'] | Missing",
        "pool",
        "Missing",
        "Itself",
        "Annotated[Client, 5]",
        "not python",
        "1 / 0",
    ],
)
def test_none_is_seen_where_there_is_none(annotation):
    """Nor does anything fail, whatever stands there."""
    assert provider_in(annotation, NAMES) is None
