"""Repair what encoding and copying do to text, and change nothing else.

In this order: mojibake, Unicode's normal form, line ends, words split over lines, invisible
characters, leftovers of HTML, width, Chinese characters, spaces at line ends and blank lines around
the text; again from the beginning until nothing changes, so that repairing twice is repairing once.

Most texts need nothing, so Arrow first looks through a whole column for the traces of every repair
(one pattern of RE2, some 400 MB/s), and Python sees only the texts that have one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import rows
from danlu.data.settings import PrepareSettings, RepairSettings
from danlu.data.steps import _chinese, _hyphens, _markup, _unicode

Change = tuple[str, str, Callable[[str], str]]
"""Its name, the RE2 pattern of its traces, and what it does."""

ROUNDS = 8
"""How often a text is gone over at most; a second round is rare, a third rarer."""

SPACES_TRACE = "[ \t\u3000]\n|[ \t\u3000\n]\\z|\\A\n"
_TRAILING = re.compile(r"(?<![ \t\u3000])[ \t\u3000]++(?=\n|\Z)")
"""Linear: a run of spaces is looked at from its beginning only, and not again when it fails."""


def build(settings: PrepareSettings) -> Repair:
    """The step with the repairs that the settings choose.

    Raises:
        MissingExtra: Chinese is to be converted and OpenCC is not installed.
    """
    return Repair(settings.repair)


class Repair:
    """Repairs texts; its stats count documents by what was repaired in them."""

    name, version = "repair", "2"

    def __init__(self, settings: RepairSettings | None = None) -> None:
        self.changes = changes(settings or RepairSettings())
        self._trace = "|".join(f"(?:{trace})" for _, trace, _ in self.changes)
        self._counts: Counter[str] = Counter()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with repaired texts."""
        at = rows.SCHEMA.get_field_index("text")
        for batch in batches:
            look = pc.and_(
                pc.match_substring_regex(batch.column("text"), self._trace),
                pc.is_null(batch.column("removed")),
            )
            before = batch.column("text").filter(look)
            after, kinds = apply(self.changes, before) if len(before) else (before, [])
            if not any(kinds):
                yield batch
                continue
            self._counts.update(kind for some in kinds for kind in some)
            self._counts["changed"] += sum(map(bool, kinds))
            texts = pc.replace_with_mask(batch.column("text"), look, after)
            yield batch.set_column(at, rows.SCHEMA.field(at), texts)

    def stats(self) -> dict[str, int]:
        """Documents changed, in all and by kind of repair."""
        return dict(self._counts)


def changes(settings: RepairSettings) -> list[Change]:
    """The repairs in their order."""
    chosen: list[Change] = [("mojibake", _unicode.MOJIBAKE_TRACE, _unicode.mojibake)]
    if settings.unicode == "nfc":
        chosen.append(("nfc", _unicode.NFC_TRACE, _unicode.nfc))
    elif settings.unicode == "nfkc":
        chosen.append(("nfkc", _unicode.NOT_ASCII, _unicode.nfkc))
    chosen.append(("line ends", _unicode.LINE_ENDS_TRACE, _unicode.line_ends))
    if settings.hyphens:
        chosen.append(("hyphens", _hyphens.TRACE, _hyphens.join))
    chosen.append(("invisible", _unicode.INVISIBLE_TRACE, _unicode.invisible))
    if settings.markup:
        chosen.append(("markup", _markup.TRACE, _markup.strip))
    if settings.width == "half":
        chosen.append(("width", _unicode.WIDTH_TRACE, _unicode.half_width))
    if settings.chinese != "keep":
        chosen.append(("chinese", _chinese.TRACE, _chinese.converter(settings.chinese)))
    return [*chosen, ("spaces", SPACES_TRACE, spaces)]


def repair(text: str, settings: RepairSettings | None = None) -> tuple[str, list[str]]:
    r"""The repaired text and the kinds of repair that it needed.

    >>> repair("caf\u00c3\u00a9 \r\nnoir\u200b\n")
    ('café\nnoir', ['mojibake', 'line ends', 'invisible', 'spaces'])
    """
    texts, kinds = apply(changes(settings or RepairSettings()), pa.array([text], pa.string()))
    return texts[0].as_py(), kinds[0]


def apply(
    changes: Sequence[Change], texts: pa.StringArray
) -> tuple[pa.StringArray, list[list[str]]]:
    """Texts after all changes, repeated until they stay, and which changes each of them needed.

    Goes column by column: one look finds the texts with any trace, and a change sees only those of
    them in which its own is found. Only texts that changed are looked at again.
    """
    names = [kind for kind, _, _ in changes]
    done: list[set[str]] = [set() for _ in range(len(texts))]
    rows = np.arange(len(texts))
    for _ in range(ROUNDS):
        some = texts.take(pa.array(rows))
        found = pc.match_substring_regex(some, _any_trace(changes))
        rows = rows[found.to_numpy(zero_copy_only=False)]
        before = some.filter(found)
        after = _once(changes, before, rows.tolist(), done)
        changed = pc.not_equal(before, after)
        rows = rows[changed.to_numpy(zero_copy_only=False)]
        if not len(rows):
            break
        mask = np.zeros(len(texts), np.bool_)
        mask[rows] = True
        texts = pc.replace_with_mask(texts, pa.array(mask), after.filter(changed))
    return texts, [[kind for kind in names if kind in some] for some in done]


def _once(
    changes: Sequence[Change], texts: pa.StringArray, rows: list[int], done: list[set[str]]
) -> pa.StringArray:
    """The texts after each change in turn; what a text needed is noted at its row."""
    for kind, trace, change in changes:
        found = pc.match_substring_regex(texts, trace)
        before = texts.filter(found).to_pylist()
        after = [change(text) for text in before]
        if after == before:
            continue
        texts = pc.replace_with_mask(texts, found, pa.array(after, pa.string()))
        where = found.to_numpy(zero_copy_only=False).nonzero()[0].tolist()
        for place, old, new in zip(where, before, after, strict=True):
            if new != old:
                done[rows[place]].add(kind)
    return texts


def _any_trace(changes: Sequence[Change]) -> str:
    """A pattern that is found wherever one of the traces is."""
    return "|".join(f"(?:{trace})" for _, trace, _ in changes)


def spaces(text: str) -> str:
    """Without white space at line ends, and without blank lines around the text."""
    if any(end in text for end in (" \n", "\t\n", "\u3000\n")) or text[-1:].isspace():
        text = _TRAILING.sub("", text)
    return text.strip("\n")
