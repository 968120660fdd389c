"""Frequent words of texts, also where none are marked: to see what a tokenizer keeps whole.

Chinese words are found by what surrounds them: a string is a word where its parts stick together
(pointwise mutual information, Church & Hanks 1990) and almost anything may come before and after it
(branching entropy, Jin & Tanaka-Ishii 2006, "Unsupervised Segmentation of Chinese Text by Use of
Branching Entropy"). The bounds are ours. It is a yardstick, not a dictionary: some of what it finds
are fixed phrases.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from danlu.data.characters import HAN

CHARACTERS = 300_000
"""Han characters that are looked at: a few seconds, and about 100 MB."""
LONGEST = 4
STICKS, BRANCHES, OFTEN = 3.0, 1.5, 6
"""Least information in bits, least entropy in bits on either side, least occurrences."""

_SPACED = re.compile(r"(?<![^\s])[^\W\d_]{2,}(?![\w'’])")


def han_words(texts: Iterable[str], most: int = 500) -> list[str]:
    """The most frequent Chinese words of 2 to 4 characters, most frequent first."""
    counts = _strings(texts)
    single = sum(n for string, n in counts.items() if len(string) == 1)
    right, left = _neighbours(counts)
    found = [
        (-n, string)
        for string, n in counts.items()
        if n >= OFTEN
        and 2 <= len(string) <= LONGEST
        and _information(string, counts, single) >= STICKS
        and min(_entropy(right[string]), _entropy(left[string])) >= BRANCHES
    ]
    return [string for _, string in sorted(found)[:most]]


def spaced_words(texts: Iterable[str], most: int = 500) -> list[str]:
    """The most frequent words between spaces, two letters or more, with the space before them.

    >>> spaced_words(["to be or not to have"], 2)
    [' to', ' be']
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(_SPACED.findall(text))
    order = sorted(counts, key=lambda word: (-counts[word], word))
    return [f" {word}" for word in order[:most]]


def _strings(texts: Iterable[str]) -> Counter[str]:
    """How often each string of Han characters occurs, one longer than the longest word."""
    counts: Counter[str] = Counter()
    room = CHARACTERS
    for text in texts:
        for run in HAN.findall(text):
            for size in range(1, LONGEST + 2):
                counts.update(run[i : i + size] for i in range(len(run) - size + 1))
            room -= len(run)
        if room < 0:
            break
    return counts


def _neighbours(
    counts: Counter[str],
) -> tuple[defaultdict[str, list[int]], defaultdict[str, list[int]]]:
    """How often each character follows a string, and comes before it; without names, as counts."""
    right: defaultdict[str, list[int]] = defaultdict(list)
    left: defaultdict[str, list[int]] = defaultdict(list)
    for string, n in counts.items():
        if len(string) > 2:
            if counts[string[:-1]] >= OFTEN:
                right[string[:-1]].append(n)
            if counts[string[1:]] >= OFTEN:
                left[string[1:]].append(n)
    return right, left


def _information(string: str, counts: Counter[str], total: int) -> float:
    """Bits by which a string is more frequent than its parts by chance, at its weakest joint."""
    chances = (counts[string[:i]] * counts[string[i:]] for i in range(1, len(string)))
    return math.log2(counts[string] * total / max(chances))


def _entropy(counts: list[int]) -> float:
    """Bits of uncertainty about a neighbour.

    >>> _entropy([1, 1, 1, 1]), _entropy([8])
    (2.0, 0.0)
    """
    total = sum(counts)
    return sum(n / total * math.log2(total / n) for n in counts) if total else 0.0
