"""Words and their ids, remembered from one batch to the next.

New words are encoded together. For each word the library makes an object with offsets and a copy of
every token's text, which takes longer than merging a few bytes; so for byte-level BPE many words go
through its model as one, with the byte 0xFF between them. UTF-8 never has that byte, and where no
token but its own has it, no merge passes it: each word is encoded as if it were alone.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Sequence
from itertools import compress, count
from operator import not_
from typing import cast

import numpy as np
import numpy.typing as npt
import tokenizers

from danlu.tokenizer.bytelevel import SPELLING

MOST = 200_000
"""Words that are remembered."""
TOGETHER = 256
"""Words that go through the model as one."""

BETWEEN = b"\xff"


class Words(dict[str, bytes]):
    """Words → ids, as the bytes of uint32."""

    def __init__(self, core: tokenizers.Tokenizer, *, joined: bool = False) -> None:
        """`joined`: whether `core` is a byte-level BPE, and only one token has the byte 0xFF."""
        self._core = bare(core) if joined else core
        self._between: int | None = None
        if joined:
            self._between = self._core.token_to_id(SPELLING[BETWEEN[0]])

    def ids(self, words: Sequence[str]) -> list[bytes]:
        """The ids of each word."""
        found = list(map(self.get, words))  # once a word: it is what takes the time
        absent = list(compress(count(), map(not_, found)))  # in C: few are, of many
        if absent:
            self._learn({words[n] for n in absent})
            for n in absent:
                found[n] = self[words[n]]
        return cast(list[bytes], found)

    def _learn(self, new: Iterable[str]) -> None:
        """Have these words; old ones are forgotten when it is too much."""
        if len(self) > MOST:
            self.clear()
        words = sorted(new)
        if self._between is not None:
            self.update(zip(words, self._joined(words), strict=True))
            return
        encodings = self._core.encode_batch_fast(words, add_special_tokens=False)
        self.update((w, array("I", e.ids).tobytes()) for w, e in zip(words, encodings, strict=True))

    def _joined(self, words: Sequence[str]) -> Iterator[bytes]:
        """The ids of each word, many encoded as one."""
        starts = range(0, len(words), TOGETHER)
        texts = [_spelled(words[start : start + TOGETHER]) for start in starts]
        for encoding in self._core.encode_batch_fast(texts, add_special_tokens=False):
            ids: npt.NDArray[np.uint32] = np.array(encoding.ids, np.uint32)
            data, begin = ids.tobytes(), 0
            for end in (4 * np.flatnonzero(ids == self._between)).tolist():
                yield data[begin:end]
                begin = end + 4


def bare(core: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """The model alone: it takes bytes as characters, and cuts nothing."""
    parts = json.loads(core.to_str())
    parts |= dict.fromkeys(("normalizer", "pre_tokenizer", "post_processor", "decoder"))
    return tokenizers.Tokenizer.from_str(json.dumps(parts | {"added_tokens": []}))


def _spelled(words: Iterable[str]) -> str:
    """Words in the characters that stand for their bytes, one for `BETWEEN` after each.

    >>> _spelled(["moon", "月"])
    'moonÿæľĪÿ'
    """
    data = b"".join(word.encode() + BETWEEN for word in words)
    return data.decode("latin-1").translate(SPELLING)
