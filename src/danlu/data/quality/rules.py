"""A rule is a measure with a limit; a preset is a file of rules; settings choose among them.

Every file in `presets/` has RULES, and a rule's name begins with its preset's, so that
`gopher_stop_words` can be looked up in one place. Rules for `spaced` texts do not judge Chinese,
those for `han` judge nothing else: what a rule does not judge passes it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from danlu import discover
from danlu.errors import ConfigError

if TYPE_CHECKING:  # settings know the names of rules, and must not load numpy for it
    from danlu.data.quality.measures import Measures
    from danlu.data.quality.repeats import F64, Bools

PRESETS = "danlu.data.quality.presets"


@dataclass(frozen=True, slots=True)
class Rule:
    """One measure, and what it may be at most (`max`) or must be at least (`min`)."""

    name: str
    value: Callable[[Measures], F64]
    """[N]"""
    limit: float
    side: Literal["max", "min"]
    unit: str
    """What the value counts, or what it is a share of."""
    source: str
    """Where the limit comes from: paper and section, or `ours`."""
    judges: Literal["any", "spaced", "han"] = "any"
    exclusive: bool = False
    """Whether a value equal to the limit fails."""
    repetition: bool = False
    """Whether the setting `repetition` moves the limit."""
    reason: str = ""
    """What a removal by it is called; empty: `quality: ` and the name."""

    def fails(self, values: F64) -> Bools:
        """[N] which values are beyond the limit."""
        if self.side == "max":
            return values >= self.limit if self.exclusive else values > self.limit
        return values <= self.limit if self.exclusive else values < self.limit

    @property
    def removal(self) -> str:
        """The text in `removed`."""
        return self.reason or f"quality: {self.name.replace('_', ' ')}"


def per(part: F64, whole: F64) -> F64:
    """[N] part / whole; a whole below 1 counts as 1."""
    return part / whole.clip(1)


@functools.cache
def presets() -> dict[str, tuple[Rule, ...]]:
    """The rules of every preset.

    >>> list(presets())
    ['c4', 'chinese', 'fineweb', 'gentle', 'gopher']
    """
    found = {}
    for name in discover.names(PRESETS):
        rules: tuple[Rule, ...] = discover.find(PRESETS, name, "preset").RULES
        found[name] = rules
    return found


@functools.cache
def rules() -> dict[str, Rule]:
    """Every rule by its name."""
    return {rule.name: rule for preset in presets().values() for rule in preset}


def chosen(
    names: Sequence[str], limits: Mapping[str, float] | None = None, *, repetition: float = 1.0
) -> tuple[Rule, ...]:
    """The rules that names of presets and rules choose, in their order.

    Args:
        names: `-name` leaves out what was chosen before it; so does `no-name`, since a flag's
            value may not begin with a dash.
        limits: other limits than the rules' own, by rule; they are taken as they are.
        repetition: how much repetition is allowed, 1 being as much as the rules say.

    >>> [rule.name for rule in chosen(["gentle", "-gentle_compressible"], repetition=2)]
    ['gentle_duplicate_lines', 'gentle_one_phrase', 'gentle_duplicate_phrases']

    Raises:
        UnknownName: there is no such preset or rule; the message has the nearest spelling.
        ConfigError: something is left out, or given a limit, that was not chosen.
    """
    picked: dict[str, Rule] = {}
    for name in names:
        bare = name.removeprefix("-").removeprefix("no-")
        found = _named(bare)
        if bare == name:
            picked.update({rule.name: rule for rule in found})
            continue
        left_out = [picked.pop(rule.name, None) for rule in found]
        if not any(left_out):
            raise ConfigError(
                f"{bare} is left out, but was not chosen before",
                got=", ".join(names),
                expected="a preset or rule first, then what to leave out of it",
            )
    return tuple(_limited(rule, limits or {}, repetition) for rule in _checked(picked, limits))


def _named(name: str) -> tuple[Rule, ...]:
    if name in presets():
        return presets()[name]
    if name in rules():
        return (rules()[name],)
    raise discover.unknown("quality rule or preset", name, [*presets(), *rules()])


def _checked(picked: dict[str, Rule], limits: Mapping[str, float] | None) -> list[Rule]:
    for name in limits or {}:
        if name not in rules():
            raise discover.unknown("quality rule", name, rules())
        if name not in picked:
            raise ConfigError(
                f"a limit is given for {name}, which is not chosen",
                expected=f"one of: {', '.join(picked) or '(none)'}",
                fix=f"add {name} to the rules, or drop its limit",
            )
    return list(picked.values())


def _limited(rule: Rule, limits: Mapping[str, float], repetition: float) -> Rule:
    limit = rule.limit
    if rule.repetition:
        limit = limit * repetition if rule.side == "max" else limit / repetition
    return dataclasses.replace(rule, limit=limits.get(rule.name, limit))
