"""The text of SQL, as far as it has to be understood here: what is a comment, what is quoted, where statements end."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

# In the order in which they are looked for: comments, what is quoted (with escapes, as a text, as a name, with
# dollars), white space, the end of a statement, and everything else.
_TOKENS: Final = re.compile(
    r"""
    (?P<comment> --[^\n]* | /\*.*?\*/ )
  | (?P<quoted>  [eE]'(?:[^'\\]|\\.|'')*' | '(?:[^']|'')*' | "(?:[^"]|"")*" | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$ )
  | (?P<space>   \s+ )
  | (?P<end>     ; )
  | (?P<word>    \w+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)


def normalized(sql: str) -> str:
    """The same statements without comments, and with one space wherever there is any white space."""
    return "; ".join(statements_in(sql))


def statements_in(sql: str) -> list[str]:
    """The statements of a text, without comments, with single spaces, and without the semicolons after them."""
    return [statement for statement in map(str.strip, _pieces(sql)) if statement]


def _pieces(sql: str) -> Iterator[str]:
    piece: list[str] = []
    for token in _TOKENS.finditer(sql):
        if token["end"]:
            yield "".join(piece)
            piece = []
        elif token["comment"] or token["space"]:
            if piece and piece[-1] != " ":
                piece.append(" ")
        else:
            piece.append(token[0])
    yield "".join(piece)
