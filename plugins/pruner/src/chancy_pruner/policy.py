"""How long each finished job is kept: the settings, checked and made ready for the statements."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Final, NamedTuple

from chancy import State
from chancy.plugin import duration_s, duration_text, nearest
from chancy_pruner.errors import InvalidRetention

# The outcomes, listed positively: a state that is not here is none of the pruner's business.
OUTCOMES: Final = (State.SUCCEEDED, State.FAILED, State.CANCELLED)
DEFAULTS: Final = {"succeeded": "1d", "failed": "14d", "cancelled": "1d"}
# Whoever waits for a job must have the time to find it.
KEEP_LEAST_S: Final = 10
WIDTH_LEAST_S: Final = 10
# A partition goes when its last job may go: with eight of them within the time to keep, that is an eighth late.
PARTS: Final = 8
# Every reader by id looks into each partition.
PARTS_MOST: Final = 200
WIDTHS_S: Final = (
    10, 30, 60, 120, 300, 900, 1800, 3600, 10_800, 21_600, 43_200,
    86_400, 172_800, 604_800, 2_592_000, 7_776_000,
)  # fmt: skip
WIDTH_FOREVER_S: Final = 2_592_000
RULE_KEYS: Final = ("name", "queue", "func", "keep")
REST: Final = "everything else"


class Rule(NamedTuple):
    """What a rule of the settings, or what no rule names, means for one outcome.

    Attributes:
        label: what people see.
        queues: LIKE patterns, one of which must match.
        funcs: as `queues`.
        keep_s: seconds after the job has finished; None: for ever.
    """

    label: str
    queues: tuple[str, ...]
    funcs: tuple[str, ...]
    keep_s: int | None


class Retention(NamedTuple):
    """How long the jobs of one outcome are kept.

    Attributes:
        state: the outcome.
        rules: the first that matches a job decides; the last one matches every job.
        width_s: how many seconds a new partition spans.
    """

    state: State
    rules: tuple[Rule, ...]
    width_s: int

    @property
    def longest_s(self) -> int | None:
        """When everything of this outcome may go, in seconds after it has finished; None: never."""
        keeps = [rule.keep_s for rule in self.rules]
        return None if None in keeps else max(keep for keep in keeps if keep is not None)

    @property
    def shortest_s(self) -> int | None:
        """When something of this outcome may go, in seconds after it has finished; None: never."""
        return min((rule.keep_s for rule in self.rules if rule.keep_s is not None), default=None)

    @property
    def last_due_s(self) -> int | None:
        """When the last rule that ends has ended; None: no rule does."""
        return max((rule.keep_s for rule in self.rules if rule.keep_s is not None), default=None)

    @property
    def finer(self) -> Retention:
        """Only what cannot wait for a partition to be dropped: the other rules keep for ever."""
        longest = self.longest_s
        rules = (rule._replace(keep_s=None) if rule.keep_s == longest else rule for rule in self.rules)
        return self._replace(rules=tuple(rules))

    def arguments(self) -> dict[str, list[Any]]:
        """The rules as parallel arrays, in their order."""
        rows = [
            (queue, func, rule.keep_s, rule.label)
            for rule in self.rules
            for queue, func in product(rule.queues, rule.funcs)
        ]
        return dict(zip(("queues", "funcs", "keeps_s", "labels"), map(list, zip(*rows, strict=True)), strict=True))


def read(keep: Mapping[str, Any], width: Mapping[str, Any], rules: Sequence[Any]) -> list[Retention]:
    """The settings as one Retention for each outcome.

    Raises:
        InvalidRetention: a key or a value that cannot be.
    """
    base = DEFAULTS | dict(_checked(keep, "keep"))
    widths = _checked(width, "width")
    tables = [_rule(table, f"rules[{number}]") for number, table in enumerate(rules)]
    return [_retention(state, base[state], widths.get(state), tables) for state in OUTCOMES]


def _retention(state: State, keep: object, width: object, tables: Sequence[Mapping[str, Any]]) -> Retention:
    rules = [
        Rule(table["label"], table["queue"], table["func"], table["keep"][state])
        for table in tables
        if state in table["keep"]
    ]
    rest = Rule(REST, ("%",), ("%",), _seconds(f"keep.{state}", keep, KEEP_LEAST_S))
    retention = Retention(state, (*rules, rest), 0)
    return retention._replace(width_s=_width(width, f"width.{state}", retention.longest_s))


def _width(width: object, key: str, longest_s: int | None) -> int:
    if width is None:
        if longest_s is None:
            return WIDTH_FOREVER_S
        return max((one for one in WIDTHS_S if one * PARTS <= longest_s), default=WIDTH_LEAST_S)
    found = _seconds(key, width, WIDTH_LEAST_S)
    if found is None:
        raise InvalidRetention(f"{key} is {width!r}: a partition must end some time.")
    if longest_s is not None and longest_s > found * PARTS_MOST:
        raise InvalidRetention(
            f"{key} is {width!r}: {duration_text(longest_s)} would be {longest_s // found} partitions. Give at least "
            f'"{-(-longest_s // PARTS_MOST)}s", so that there are at most {PARTS_MOST}.'
        )
    return found


def _rule(table: object, key: str) -> dict[str, Any]:
    if not isinstance(table, Mapping):
        raise InvalidRetention(f'{key} is {table!r}: give a table, such as {{ queue = "mail", keep = {{ … }} }}.')
    for name in table:
        if name not in RULE_KEYS:
            raise InvalidRetention(f"{key}.{name} is unknown.{nearest(str(name), RULE_KEYS)}")
    if "queue" not in table and "func" not in table:
        raise InvalidRetention(f"{key} names neither queue nor func: what is kept of everything stands in keep.")
    keep = _checked(table.get("keep"), f"{key}.keep")
    if not keep:
        raise InvalidRetention(f'{key}.keep is missing: say how long, such as keep = {{ succeeded = "1h" }}.')
    given = [f"{name} {table[name]}" for name in ("queue", "func") if name in table]
    label = table.get("name", ", ".join(given))
    if not isinstance(label, str) or not label:
        raise InvalidRetention(f"{key}.name is {label!r}: give a text.")
    return {
        "label": label,
        "queue": _patterns(table.get("queue", "*"), f"{key}.queue"),
        "func": _patterns(table.get("func", "*"), f"{key}.func"),
        "keep": {state: _seconds(f"{key}.keep.{state}", length, KEEP_LEAST_S) for state, length in keep.items()},
    }


def _seconds(key: str, length: object, least_s: int) -> int | None:
    return duration_s(key, length, least_s=least_s, error=InvalidRetention)


def _checked(table: object, key: str) -> Mapping[str, Any]:
    if table is None:
        return {}
    if not isinstance(table, Mapping):
        raise InvalidRetention(f'{key} is {table!r}: give a table, such as {{ succeeded = "1d", failed = "14d" }}.')
    for name in table:
        if name not in OUTCOMES:
            known = [str(one) for one in OUTCOMES]
            raise InvalidRetention(
                f"{key}.{name} is no outcome.{nearest(str(name), known)} There are {', '.join(known)}."
            )
    return table


def _patterns(given: object, key: str) -> tuple[str, ...]:
    """The LIKE patterns that match what these patterns with * and ? do."""
    many = [given] if isinstance(given, str) else given
    if not isinstance(many, Iterable):
        many = []
    found = [one for one in many if isinstance(one, str) and one]
    if not found or len(found) != len(list(many)):
        raise InvalidRetention(f'{key} is {given!r}: give a pattern such as "app.mail.*", or a list of them.')
    return tuple(one.translate(LIKE) for one in found)


LIKE: Final = str.maketrans({"*": "%", "?": "_", "%": r"\%", "_": r"\_", "\\": r"\\"})
