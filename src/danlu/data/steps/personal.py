"""Personal data and secrets, masked by kind; no document is removed for them.

`<EMAIL>` `<PHONE>` `<ID_CARD>` `<BANK_CARD>` `<IP>` `<SECRET>` stand where they were, so that a
model learns that something stands there and never what. Names and postal addresses are not looked
for. Addresses at domains reserved for examples (RFC 2606), `git@` and 127.0.0.1 are nobody's and
stay. Full-width digits, letters and ＠ are read as their ASCII forms. One regular expression of
RE2, which is linear, looks at a whole batch; only its hits are looked at in Python.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from danlu.data import credentials, personal_numbers, rows
from danlu.data.settings import PERSONAL_KINDS, PrepareSettings

Spans = Iterator[tuple[int, int]]

EMAIL = re.compile(
    r"(?<![A-Za-z0-9._%+@-])([A-Za-z0-9][A-Za-z0-9._%+-]{0,63})@"
    r"((?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,6}([A-Za-z]{2,18}))"
    r"(?![A-Za-z0-9@-]|\.[A-Za-z0-9])"
)
_DOMAINS = """
    com net org edu gov mil int info biz name pro mobi asia jobs tel travel museum coop aero xyz
    top vip shop club online site store tech app dev cloud email live work life world today news
    blog wiki link click space fun icu art design studio agency group team global digital media
    network solutions services company center ltd wang ren bank health science academy education
    university foundation ngo berlin london paris tokyo
"""
DOMAINS = frozenset(_DOMAINS.split())
"""Top-level domains of more than two letters; any of two letters is taken as a country's."""
RESERVED = re.compile(r"(?i)(?:^|\.)(?:example\.[a-z]+|example|test|invalid|localhost|local)$")
FILES = frozenset(["js", "py", "md", "rs", "ts", "so"])
"""Countries whose letters more often end a file's name; taken where the local part has a letter
and the domain is not one label with a digit, as in `icon@2x.js`."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of personal data: what stands for it, what may hold it (RE2), and where it is."""

    mask: str
    candidate: str
    find: Callable[[str], Spans]


def emails(text: str) -> Spans:
    """E-mail addresses that can be somebody's.

    >>> text = "写信给 li.lei@mail.qq.com 或 me@example.com, git@github.com, x@2x.png"
    >>> [text[a:b] for a, b in emails(text)]
    ['li.lei@mail.qq.com']
    """
    for match in EMAIL.finditer(text):
        local, domain, top = match[1].lower(), match[2].lower(), match[3].lower()
        if len(top) > 2 and top not in DOMAINS:
            continue
        if RESERVED.search(domain) or local in ("git", "hg", "svn"):
            continue
        if top in FILES and domain.count(".") == 1 and any(map(str.isdigit, domain)):
            continue
        yield match.span()


_D, _L = "[0-9０-９]", "A-Za-z0-9Ａ-Ｚａ-ｚ０-９"

KINDS = {
    "secret": Kind(
        "<SECRET>",
        r"AKIA|ASIA|A(?:GP|ID|RO)A[A-Z2-7]|gh[pousr]_|github_pat_|glpat-|xox[abeoprs]-|AIza|hf_"
        r"|[sr]k[-_][A-Za-z0-9_-]{16}|PRIVATE KEY|eyJ"
        r"|(?i:key|key_?id|token|secret|passwd|password|passphrase|pwd|credential)[\"']?\s{0,3}"
        r"(?:=>|:=|=|:)\s{0,3}(?:[\"'`][^\s\"'`]{10}|[A-Za-z0-9+/_=.~-]{20})",
        credentials.secrets,
    ),
    "email": Kind("<EMAIL>", f"[{_L}._%+-][@＠][{_L}]", emails),
    "id_card": Kind("<ID_CARD>", rf"{_D}{{6}}[ －-]?{_D}{{8}}", personal_numbers.id_cards),
    "bank_card": Kind("<BANK_CARD>", rf"{_D}(?:[ －-]?{_D}){{12}}", personal_numbers.bank_cards),
    "phone": Kind("<PHONE>", rf"{_D}(?:[ ().（）．－-]{{0,3}}{_D}){{6}}", personal_numbers.phones),
    "ip": Kind(
        "<IP>",
        rf"{_D}[.．]{_D}{{1,3}}[.．]{_D}{{1,3}}[.．]{_D}|[23][0-9A-Fa-f]{{3}}:[0-9A-Fa-f]*:",
        personal_numbers.ip_addresses,
    ),
}
"""In order of precedence: what one has taken, the next ones do not see."""

FULL_WIDTH = {0xFF01 + n: 0x21 + n for n in range(94)}
_FULL_WIDTH = re.compile("[\uff10-\uff19\uff20\uff08\uff0b\uff0d]")


def build(settings: PrepareSettings) -> Personal:
    """The step for the kinds that the settings name."""
    return Personal(settings.personal.kinds)


class Personal:
    """Masks personal data; its stats count what was masked by kind, and documents changed."""

    name, version = "personal", "1"

    def __init__(self, kinds: Sequence[str] = PERSONAL_KINDS) -> None:
        self.kinds = {name: kind for name, kind in KINDS.items() if name in kinds}
        self._counts: Counter[str] = Counter()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows, with masks in their texts."""
        for batch in batches:
            by_row = self._candidates(batch)
            if not by_row:
                yield batch
                continue
            texts = batch.column("text").to_pylist()
            for at, kinds in by_row.items():
                texts[at], masked = mask(texts[at], kinds)
                self._counts["changed"] += bool(masked)
                self._counts.update(masked)
            yield rows.with_columns(batch, text=texts)

    def stats(self) -> dict[str, int]:
        """Documents changed, and how much was masked by kind."""
        return dict(self._counts)

    def _candidates(self, batch: pa.RecordBatch) -> dict[int, list[str]]:
        """Rows that are not removed and may hold something, with the kinds that they may hold."""
        if not self.kinds:
            return {}
        any_kind = "|".join(f"(?:{kind.candidate})" for kind in self.kinds.values())
        maybe = pc.match_substring_regex(batch.column("text"), any_kind)
        maybe = pc.and_(maybe, pc.is_null(batch.column("removed")))
        at = np.flatnonzero(maybe.to_numpy(zero_copy_only=False))
        some = batch.column("text").take(pa.array(at))
        by_row: dict[int, list[str]] = {}
        for name, kind in self.kinds.items() if len(at) else ():
            hits = pc.match_substring_regex(some, kind.candidate).to_numpy(zero_copy_only=False)
            for row in at[hits].tolist():
                by_row.setdefault(row, []).append(name)
        return by_row


def mask(text: str, kinds: Sequence[str] = PERSONAL_KINDS) -> tuple[str, Counter[str]]:
    """The text with masks, and how many there are of each kind.

    >>> mask("电话１３８１２３４５６７８，邮箱 wang＠qq.com")[0]
    '电话<PHONE>，邮箱 <EMAIL>'
    """
    places = found(text, kinds)
    parts, end = [], 0
    for start, stop, name in places:
        parts += [text[end:start], KINDS[name].mask]
        end = stop
    return "".join([*parts, text[end:]]), Counter(name for *_, name in places)


def found(text: str, kinds: Sequence[str] = PERSONAL_KINDS) -> list[tuple[int, int, str]]:
    """Start, end and kind of all that is personal, in order and without overlaps."""
    plain = text
    if not text.isascii() and _FULL_WIDTH.search(text):
        plain = text.translate(FULL_WIDTH)  # one character for one: places stay the same
    taken: list[tuple[int, int, str]] = []
    for name, kind in KINDS.items():
        if name in kinds:
            taken = _without_overlaps(taken, [(*span, name) for span in kind.find(plain)])
    return taken


def _without_overlaps(
    taken: list[tuple[int, int, str]], spans: list[tuple[int, int, str]]
) -> list[tuple[int, int, str]]:
    """Both lists in order of place; of the second only what overlaps nothing of the first."""
    free, at = [], 0
    for span in spans:
        while at < len(taken) and taken[at][1] <= span[0]:
            at += 1
        if at == len(taken) or taken[at][0] >= span[1]:
            free.append(span)
    return sorted([*taken, *free])
