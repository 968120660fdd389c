"""Where Chinese can be cut without any effect on its byte pairs: between what no token joins.

Chinese marks no words, so whole clauses would have to be encoded, and clauses seldom repeat. But
byte-pair encoding only ever makes tokens: where no token of the vocabulary reaches from one
character to the next, no merge can, and both sides are encoded as if alone. Cut there, what is left
is a few characters that occur again and again and can be looked up. Exact, and checked against the
library by tests; not for Unigram, where sums that are rounded differently could decide a tie.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain, pairwise
from typing import Any

import numpy as np

FIRST, LAST = 0x2E80, 0xFFFF
"""Characters between which is cut: those of three bytes from the CJK radicals on."""

SLOTS, SPREAD = 1 << 21, 25_931
"""Pairs share a table by a hash; a collision costs a cut, not correctness."""


class Joints:
    """What the tokens of a vocabulary join.

    >>> joints = Joints(["明月".encode(), "床".encode()])
    >>> joints.cut([["床前明月光", "，", "a月"], ["月"]])
    [['床', '前', '明月', '光', '，', 'a月'], ['月']]
    """

    def __init__(self, tokens: Iterable[bytes]) -> None:
        self._whole = np.zeros(SLOTS, bool)
        """By pair of characters: some token holds both, one after the other."""
        self._part = np.zeros((64, 16), bool)
        """By last byte of a character and first of the next: some token holds parts of such."""
        for token in tokens:
            self._add(token)

    def cut(self, texts: Sequence[Sequence[str]]) -> list[list[str]]:
        """Texts, each as its words, with the words cut further where nothing joins."""
        words = list(chain.from_iterable(texts))
        whole = "".join(words)
        codes = np.frombuffer(whole.encode("utf-32-le"), np.int32)
        left, right = codes[:-1], codes[1:]
        wide = (codes >= FIRST) & (codes <= LAST)
        joined = self._whole[_slot(left, right)] | self._part[left & 63, right >> 12 & 15]
        ends = np.zeros(len(codes) + 1, bool)
        ends[1:-1] = wide[:-1] & wide[1:] & ~joined
        word_ends = np.cumsum([0, *map(len, words)])
        ends[word_ends] = True
        places = np.flatnonzero(ends)
        parts = [whole[start:end] for start, end in pairwise(places.tolist())]
        text_ends = word_ends[np.cumsum([0, *map(len, texts)])]
        numbers = np.searchsorted(places, text_ends).tolist()
        return [parts[start:end] for start, end in pairwise(numbers)]

    def _add(self, token: bytes) -> None:
        """Note every place in a token where a character begins that is not its first byte."""
        for place in range(1, len(token)):
            if token[place] & 0xF0 != 0xE0 or token[place - 1] < 0x80:
                continue  # what begins here is not wide, or what ends is ASCII
            before, after = token[max(place - 3, 0) : place], token[place : place + 3]
            try:
                left, right = before.decode(), after.decode()
            except UnicodeDecodeError:
                self._part[token[place - 1] & 63, token[place] & 15] = True
                continue
            self._whole[_slot(ord(left[-1]), ord(right))] = True


def _slot(left: Any, right: Any) -> Any:
    return (left * SPREAD ^ right) & SLOTS - 1
