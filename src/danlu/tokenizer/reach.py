"""Between which Chinese characters no token reaches: there a clause can be cut and stays the same.

The pre-tokenizer leaves a Chinese clause whole, and clauses hardly repeat, so looking them up gains
nothing. But merges never meet at a place that no token of the vocabulary spans: what is left of it
and what is right of it are encoded as if the other were not there. Cut at all such places, Chinese
falls into pieces of one to four characters, which repeat as words do. Only between two characters
of `HAN`: both are letters, so a pre-tokenizer that keeps letters together cuts nowhere else then.

A character is three bytes in UTF-8. Looked at are the last two of one and the first two of the
next: 22 bits, so all pairs have their places in one table of 4 MB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from danlu.tokenizer.pretokens import MARK

Table = npt.NDArray[np.bool_]

_ALL = slice(None)


def table(tokens: Iterable[bytes]) -> Table:
    """[2^22] whether a token reaches from a character that ends in … to one that begins with ….

    >>> reach = table(["月光".encode(), "疑是".encode()[:-1], "霜".encode()])
    >>> [s.replace(MARK, "|") for s in marked(["明月光疑是地上霜"], reach)]
    ['明|月光|疑是|地|上|霜']
    """
    found = np.zeros((64, 64, 16, 64), np.bool_)
    for token in tokens:
        for at in range(1, len(token)):
            if token[at] >> 4 == 0xE and token[at - 1] >> 6 == 2:
                before = token[at - 2] & 63 if at > 1 else _ALL
                after = token[at + 1] & 63 if at + 1 < len(token) else _ALL
                found[before, token[at - 1] & 63, token[at] & 15, after] = True
    return found.reshape(-1)


def marked(texts: Sequence[str], reach: Table) -> Sequence[str]:
    """The texts with a `MARK` wherever they can be cut; none of them has one already."""
    codes = np.frombuffer("".join(texts).encode("utf-32-le"), np.uint32)
    if not (codes >= 0x3400).any():
        return texts
    han = (codes - 0x4E00 < 0x51A6) | (codes - 0x3400 < 0x19B6)  # unsigned: below is far above
    at = np.flatnonzero(han[1:] & han[:-1])
    at = at[~reach[(codes[at] & 0xFFF) << 10 | codes[at + 1] >> 6]] + 1
    ends = np.cumsum([len(text) for text in texts])
    cuts = at[~np.isin(at, ends)]
    if not len(cuts):
        return texts
    ends += np.searchsorted(cuts, ends)
    data = np.insert(codes, cuts, ord(MARK)).tobytes()
    bounds = [0, *(4 * ends).tolist()]
    return [data[begin:end].decode("utf-32-le") for begin, end in pairwise(bounds)]
