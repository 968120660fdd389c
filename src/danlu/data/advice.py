"""What the diversity of a corpus suggests: what to add, what to weigh less, what to look at.

An advice is a key and its values, so that a page can say it in the reader's language; `said` says
it here. The bounds are rules of thumb of this project, no law: each says in its comment what lies
behind it. Nothing is advised that the figures do not show.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danlu.data.diversity import Diversity

ONE_SOURCE = 0.6
"""A source this large decides how the model writes."""
ONE_TOPIC = 0.4
"""Even clusters would hold 1 ÷ 12 each."""
NARROWED = 0.1
"""Loss of entropy by cleaning, after which a filter has probably taken out one kind of text."""
NEAR, EXACT = 0.1, 0.2
"""Shares of the documents that were copies, above which sources overlap or crawls repeat."""
RARE_LANGUAGE = 0.01
"""Below this share a language is hardly learned, and costs vocabulary."""
NO_LANGUAGE = ("other", "und")
"""What no language was found for."""
ALIKE = 0.6
"""Self-BLEU above which documents look as if made from templates."""
FEW_WORDS = 0.4
"""Heaps' β: 0.4 to 0.6 for English text (Manning, Raghavan and Schütze 2008, section 5.1). Of
characters there are few, so that it says nothing there."""
COMPRESSES = 0.22
"""zlib leaves 0.3 to 0.45 of usual text."""
SHORT_CHARS = {"words": 200, "characters": 70}
"""A Chinese or Japanese character says as much as about three of an alphabet."""
ONE_RULE = 0.3
"""A rule that takes out this share of the documents deserves a look at what it took."""
COPIES = ("duplicate", "near")
"""How reasons begin that are no judgement of quality."""

_FIELD = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True)
class Advice:
    """One advice: a key of the texts, and what stands in it."""

    key: str
    values: dict[str, str]

    def as_json(self) -> dict[str, Any]:
        """For the manifest."""
        return {"key": self.key, "values": self.values}


def advice(
    before: Diversity | None, after: Diversity, shares: Mapping[str, float] | None = None
) -> list[Advice]:
    """What to do about a corpus, from its diversity before and after cleaning.

    `shares` are the shares of all documents read that were removed, by reason. The most weighty
    advice comes first; the only one is `fine` where there is nothing to say.
    """
    found = [
        *_sources(after),
        *_copies(shares or {}),
        *_topics(before, after),
        *_languages(after),
        *_wording(after),
        *_rules(shares or {}),
    ]
    return found or [Advice("fine", {})]


def said(item: Mapping[str, Any], language: str = "en") -> str:
    """An advice in words, given as its JSON.

    >>> said({"key": "near", "values": {"share": "12%"}})[:52]
    'Near-duplicates were 12% of the documents: sources o'
    """
    text, values = texts(language).get(str(item.get("key")), ""), item.get("values") or {}
    return _FIELD.sub(lambda found: str(values.get(found[1], "–")), text)


@lru_cache
def texts(language: str) -> dict[str, str]:
    """The texts of all advice in a language (`en`, `zh`), by key, with `{name}` for values."""
    source = files("danlu.data") / f"advice.{language}.json"
    table: dict[str, str] = json.loads(source.read_text(encoding="utf-8"))
    return table


def _sources(after: Diversity) -> Iterator[Advice]:
    found = after.sources
    if found is None or not found.bytes:
        return
    name, share = next(iter(found.bytes.items()))
    if share >= ONE_SOURCE:
        yield Advice("one_source", {"share": _percent(share), "source": name})


def _copies(shares: Mapping[str, float]) -> Iterator[Advice]:
    near = sum(share for reason, share in shares.items() if reason.startswith("near"))
    exact = sum(share for reason, share in shares.items() if reason.startswith("duplicate"))
    if near >= NEAR:
        yield Advice("near", {"share": _percent(near)})
    if exact >= EXACT:
        yield Advice("exact", {"share": _percent(exact)})


def _topics(before: Diversity | None, after: Diversity) -> Iterator[Advice]:
    if after.topics is None:
        return
    for cluster in after.topics.clusters:
        if cluster.share >= ONE_TOPIC and cluster.words:
            words = ", ".join(cluster.words[:4])
            yield Advice("one_topic", {"share": _percent(cluster.share), "words": words})
    if before and before.topics and before.topics.entropy - after.topics.entropy >= NARROWED:
        figures = {"before": before.topics.entropy, "after": after.topics.entropy}
        yield Advice("narrowed", {name: f"{value:.2f}" for name, value in figures.items()})


def _languages(after: Diversity) -> Iterator[Advice]:
    for name, share in (after.languages.bytes if after.languages else {}).items():
        if 0 < share < RARE_LANGUAGE and name not in NO_LANGUAGE:
            yield Advice("rare_language", {"language": name, "share": _percent(share)})


def _wording(after: Diversity) -> Iterator[Advice]:
    beta, median = after.vocabulary.get("beta"), after.lengths.get("0.5")
    if after.self_bleu is not None and after.self_bleu >= ALIKE:
        yield Advice("alike", {"bleu": f"{after.self_bleu:.2f}"})
    if beta is not None and beta < FEW_WORDS and after.unit == "words":
        yield Advice("few_words", {"beta": f"{beta:.2f}"})
    if after.compression is not None and after.compression < COMPRESSES:
        yield Advice("compresses", {"share": _percent(after.compression)})
    if median is not None and median < SHORT_CHARS[after.unit]:
        yield Advice("short", {"median": f"{median:,.0f}"})


def _rules(shares: Mapping[str, float]) -> Iterator[Advice]:
    for reason, share in sorted(shares.items(), key=lambda item: (-item[1], item[0])):
        if share >= ONE_RULE and not reason.startswith(COPIES):
            yield Advice("one_rule", {"reason": reason, "share": _percent(share)})


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"
