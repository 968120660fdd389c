r"""Words that a hyphen splits over two lines, as a page's setter left them, made whole again.

`left-\nright` becomes `leftright` where the letters on both sides are small and one of these holds:

- the hyphen is a soft one (U+00AD), which says itself that it is no part of the word;
- `leftright` stands elsewhere in the document;
- the document splits words: MANY of its lines end so, or the rule above holds somewhere in it; and
  neither `left-right` stands elsewhere in it, nor do both `left` and `right`, and neither of them
  is one of the words that English compounds are usually made of.

Else it stays as it is: `well-\nknown` is a compound. It also stays where either line has signs that
prose has not, as code does. The third rule needs a document that splits words because text wrapped
by hand has hyphens at line ends too, and nearly all of them belong to compounds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

TRACE = "[-\u2010\u00ad]\n"
"""Found in every text that `join` would change."""

_LETTER = r"[^\W\d_]"
_BREAK = re.compile(f"([-\u2010\u00ad])\n[ \t]*(?={_LETTER})")
_LEFT = re.compile(f"(?<!{_LETTER})({_LETTER}{{1,40}})\\Z")
_RIGHT = re.compile(f"{_LETTER}{{1,40}}+(?!{_LETTER})")
_WORD = re.compile(f"{_LETTER}+(?:[-\u2010]{_LETTER}+)*")
_NOT_PROSE = re.compile(r"[={}\[\]<>\\|_$#`~^@]|[;(]\s*$|://")

_FIRST = """
    all anti back best better brand broad co cold counter cross deep double eight eighty ever ex
    fast few fifty first five forty four free full good half hand hard heavy high home hot ill
    in large last late left life light like little long low lower main mid middle multi never
    new nine ninety no non north off old on one open out over own part post pre pro quasi re
    real right second self semi seven seventy short single six sixty slow small so soft south
    sub ten third thirty three time top triple twenty two ultra under up upper vice well wide
    world year
"""
COMPOUND_FIRST = frozenset(_FIRST.split())
"""Words before a hyphen after which English usually keeps it."""

_LAST = """
    a about and based born bound by class day depth down edge edged end ended eyed famous
    fashion fashioned feet first foot for free friendly from going half hand handed house in
    inch induced known led level life like line long made metre mile minded month name of off
    old on only out over page part party per place point proof quality range rate rated related
    right run scale season section see shaped side sided size sized so speed standing star
    storey story style term the time to type up use wide winning with word work world written
    yard year
"""
COMPOUND_LAST = frozenset(_LAST.split())
"""Words after a hyphen before which English usually keeps it."""


MANY, MANY_SHARE = 3, 0.05
"""So many lines, and this share of them, end with a hyphen where a document splits words."""


def join(text: str) -> str:
    r"""The text without the hyphens and line ends inside of words.

    >>> join("for exam-\nple, an example of a well-\nknown case")
    'for example, an example of a well-\nknown case'
    >>> join("x = alpha-\nbeta")
    'x = alpha-\nbeta'
    """
    splits = [split for split in _splits(text) if _is_prose(text, split.hyphen)]
    if not splits:
        return text
    words = set(_WORD.findall(_without(text, splits).lower().replace("\u2010", "-")))
    proven = [split for split in splits if _is_proven(split, words)]
    inside = proven
    if proven or (len(splits) >= MANY and len(splits) >= MANY_SHARE * text.count("\n")):
        inside = [s for s in splits if _is_proven(s, words) or _is_likely(text, s, words)]
    parts, end = [], 0
    for split in inside:
        parts.append(text[end : split.hyphen.start()])
        end = split.hyphen.end()
    return "".join([*parts, text[end:]])


@dataclass(frozen=True, slots=True)
class _Split:
    """A hyphen at a line end, and the letters on both sides of it."""

    hyphen: re.Match[str]
    left: str
    right: str


def _splits(text: str) -> Iterator[_Split]:
    """The hyphens at line ends that have small letters on both sides."""
    for hyphen in _BREAK.finditer(text):
        at = hyphen.start()
        left = _LEFT.search(text, max(at - 41, 0), at)
        right = _RIGHT.match(text, hyphen.end())
        if left and right and _is_small(left[1]) and right[0].islower():
            yield _Split(hyphen, left[1], right[0])


def _without(text: str, splits: Sequence[_Split]) -> str:
    """The text without the words that are split."""
    parts, end = [], 0
    for split in splits:
        parts.append(text[end : max(split.hyphen.start() - len(split.left), end)])
        end = split.hyphen.end() + len(split.right)
    return " ".join([*parts, text[end:]])


def _is_proven(split: _Split, words: set[str]) -> bool:
    """Whether the hyphen is surely no part of the word; `words` are those of the rest."""
    return split.hyphen[1] == "\u00ad" or split.left.lower() + split.right in words


def _is_likely(text: str, split: _Split, words: set[str]) -> bool:
    """Whether nothing speaks for a compound."""
    left, right = split.left.lower(), split.right
    start = split.hyphen.start() - len(left)
    if text[start - 1 : start] in ("-", "\u2010"):  # the end of a-long-compound
        return False
    both = left in words and right in words
    known = left in COMPOUND_FIRST or right in COMPOUND_LAST
    return f"{left}-{right}" not in words and not both and not known


def _is_small(word: str) -> bool:
    """Whether all letters are small, but for the first."""
    return word[-1].islower() and (len(word) == 1 or word[1:].islower())


def _is_prose(text: str, hyphen: re.Match[str]) -> bool:
    """Whether the line that ends and the line that begins there have only signs of prose.

    Lines are looked at for at most 200 characters to each side.
    """
    at, after = hyphen.start(), hyphen.end()
    start = text.rfind("\n", max(at - 200, 0), at) + 1 or max(at - 200, 0)
    stop = text.find("\n", after, after + 200)
    lines = text[start:at], text[after : stop if stop >= 0 else after + 200]
    return not any(_NOT_PROSE.search(line) for line in lines)
