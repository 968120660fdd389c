"""Which documents of a corpus hold a sentence, in every part of it: trained on, held out, removed.

What is compared is normalised (`normalised`): Unicode NFC, case folded, white space collapsed, and
none of it beside Chinese and Japanese characters, which a line end parts in one edition and not in
the next. First the whole sentence is looked for. Where no document has it, those come that share
most of its 8-character shingles (Broder 1997): quoted wrongly, or changed by cleaning.

The files are streamed. Arrow matches a regular expression (RE2) in a batch of rows; only texts that
pass become Python strings, and are compared exactly.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data.corpus import PARTS, Corpus
from danlu.errors import ConfigError

SHINGLE = 8
NEEDLES = 24
"""Shingles of the sentence that every document is searched for; the best are compared in full."""
CANDIDATES = 50
LEAST_SHARED = 0.25
"""Documents that share fewer of the shingles are no answer."""
PATTERN_CHARS = 300
"""The regular expression is made of the sentence's beginning; the rest is compared in Python."""
EXCERPT_CHARS = 240

_WIDE = "\u2e80-\u312f\u31f0-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U000323af"
_AROUND_WIDE = re.compile(rf"(?<=[{_WIDE}])\s+|\s+(?=[{_WIDE}])")
_IS_WIDE = re.compile(f"[{_WIDE}]")
_SS = re.compile("ss", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that has the sentence, or most of it."""

    id: str
    part: str
    file: str
    removed: str | None
    """Why cleaning took it out; None where it is kept."""
    shared: float
    """Share of the sentence's shingles that it has; 1 for the whole sentence."""
    text: str
    """The place in the document."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to."""

    exact: bool
    """Whether the hits have the whole sentence."""
    hits: list[Hit]
    documents: dict[str, int]
    """Documents that have the whole sentence, by part; `hits` may be fewer."""


def find(corpus: Corpus, sentence: str, *, most: int = 20) -> Found:
    """The documents that hold a sentence, else those that hold most of it; at most `most`.

    Raises:
        ConfigError: the sentence is empty.
        DataError: a file of the corpus is damaged.
    """
    if not normalised(sentence):
        raise ConfigError("there is nothing to look for", got=sentence, expected="a sentence")
    documents = dict.fromkeys(PARTS, 0)
    hits: list[Hit] = []
    for hit in _whole(corpus, sentence):
        documents[hit.part] += 1
        if len(hits) < most:
            hits.append(hit)
    if hits:
        return Found(True, hits, documents)
    return Found(False, _similar(corpus, sentence, most), documents)


def normalised(text: str) -> str:
    r"""What is compared of a text.

    >>> normalised("  The  Moon\n"), normalised("床前明月光，\n疑是 地上霜"), normalised("Straße")
    ('the moon', '床前明月光，疑是地上霜', 'strasse')
    """
    text = " ".join(unicodedata.normalize("NFC", text).split()).casefold()
    return text if text.isascii() else _AROUND_WIDE.sub("", text)


def shingles(text: str) -> list[str]:
    """The distinct runs of 8 characters of a text in their order; a shorter text is its own."""
    count = max(len(text) - SHINGLE + 1, 1)
    return list(dict.fromkeys(text[at : at + SHINGLE] for at in range(count)))


def pattern(text: str, *, space: str = r"[\s\p{Z}]") -> str:
    r"""A regular expression that matches wherever the normalised texts agree, seldom elsewhere.

    >>> re.findall(pattern("Die  Straße", space=r"\s"), "die\nSTRASSE, die straße")
    ['die\nSTRASSE', 'die straße']
    """
    text = " ".join(unicodedata.normalize("NFC", text).split())
    text = _AROUND_WIDE.sub("", text)[:PATTERN_CHARS]
    parts: list[str] = []
    for before, character in zip(f" {text}", text, strict=False):
        if character == " ":
            parts.append(f"{space}+")
            continue
        if parts and before != " " and (_IS_WIDE.match(before) or _IS_WIDE.match(character)):
            parts.append(f"{space}*")
        parts.append(_any_spelling(character))
    return "(?i)" + _SS.sub("(?:ss|ß)", "".join(parts))


def _any_spelling(character: str) -> str:
    """A character in its forms that normalisation makes the same."""
    small = character.lower() if len(character.lower()) == 1 else character
    forms = [small, unicodedata.normalize("NFD", small), character.casefold()]
    distinct = dict.fromkeys(map(re.escape, forms))
    return next(iter(distinct)) if len(distinct) == 1 else f"(?:{'|'.join(distinct)})"


def _whole(corpus: Corpus, sentence: str) -> Iterator[Hit]:
    """Every document that has the whole sentence."""
    wanted, expression = normalised(sentence), pattern(sentence)
    place = re.compile(pattern(sentence, space=r"\s"))
    for part, batch in _batches(corpus):
        some = batch.filter(pc.match_substring_regex(batch.column("text"), expression))
        for row in some.to_pylist():
            if wanted in normalised(row["text"]):
                yield _hit(row, part, 1.0, [place])


def _similar(corpus: Corpus, sentence: str, most: int) -> list[Hit]:
    """The documents that share most shingles with a sentence, best first."""
    wanted = shingles(normalised(sentence))
    if len(wanted) == 1:
        return []
    chosen = [wanted[at] for at in _spread(len(wanted), NEEDLES)]
    places = [re.compile(pattern(needle, space=r"\s")) for needle in chosen]
    best: list[tuple[int, int, str, dict[str, str]]] = []
    seen = 0
    any_of = "|".join(map(pattern, chosen))
    for part, batch in _batches(corpus):
        batch = batch.filter(pc.match_substring_regex(batch.column("text"), any_of))
        for at, text in enumerate(map(normalised, batch.column("text").to_pylist())):
            count = sum(needle in text for needle in chosen)
            if count < 2 or (len(best) == CANDIDATES and count <= best[0][0]):
                continue
            seen += 1  # of equal ones the first stays, and rows are never compared
            heapq.heappush(best, (count, -seen, part, batch.slice(at, 1).to_pylist()[0]))
            if len(best) > CANDIDATES:
                heapq.heappop(best)
    hits = []
    for _, _, part, row in best:
        text = normalised(row["text"])
        share = sum(shingle in text for shingle in wanted) / len(wanted)
        if share >= LEAST_SHARED:
            hits.append(_hit(row, part, share, places))
    return sorted(hits, key=lambda hit: (-hit.shared, PARTS.index(hit.part), hit.id))[:most]


def _batches(corpus: Corpus) -> Iterator[tuple[str, pa.RecordBatch]]:
    for part in PARTS:
        for batch in corpus.batches(part, ["id", "text", "file", "removed"]):
            yield part, batch


def _spread(count: int, most: int) -> list[int]:
    """At most `most` places out of `count`, evenly spread, ends included."""
    return list(dict.fromkeys(np.linspace(0, count - 1, most).round().astype(int).tolist()))


def _hit(row: dict[str, str], part: str, share: float, places: list[re.Pattern[str]]) -> Hit:
    text = row["text"]
    at = next((found.start() for p in places if (found := p.search(text))), 0)
    start = max(0, at - EXCERPT_CHARS // 4)
    excerpt = text[start : start + EXCERPT_CHARS]
    excerpt = ("…" if start else "") + excerpt + ("…" if start + len(excerpt) < len(text) else "")
    return Hit(row["id"], part, row["file"], row["removed"] or None, round(share, 4), excerpt)
