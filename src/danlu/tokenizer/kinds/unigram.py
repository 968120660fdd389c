"""Unigram language model over whole characters, with bytes for the rest: nothing is lost.

Kudo 2018 (arXiv:1804.10959, §3.2): begin with many substrings, then in turn estimate their
probabilities and drop those whose loss costs the text least. Two choices differ. Counting is over
each word's best segmentation, not all of them (hard EM), since the library's encoder gives that.
And the library's own trainer is not used: its sums follow the order of a hash table, so that no two
runs gave the same file.

Memory and time are bounded by `WORDS_BYTES` of different words, the most frequent ones.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

from tokenizers import Tokenizer as Core
from tokenizers import models

from danlu.tokenizer.bytelevel import ALPHABET, spelled, wrapped
from danlu.tokenizer.kind import Learned
from danlu.tokenizer.pretokens import QWEN2_SPLITTER

LOSSLESS, NESTED, UNKNOWN = True, False, ""

WORDS_BYTES = 2_000_000
LONGEST = 16
"""Characters in a piece, as in SentencePiece."""
SEEDS = 8
"""Substrings to begin with, for each piece asked for."""
SHRINK = 0.75
"""Share of the pieces that a round keeps, as in SentencePiece."""
NEVER = -100.0
"""Score of the special tokens, so that no text takes one."""


def learn(texts: Iterable[str], size: int) -> Learned:
    """256 bytes, then pieces from the most probable on."""
    words = _words(texts)
    wanted = size - len(ALPHABET)
    counts = seeds(words, SEEDS * wanted)
    while True:
        for _ in range(2):
            counts = _counted(words, counts)
        pieces = {piece: n for piece, n in counts.items() if piece not in ALPHABET_SET}
        if len(pieces) <= wanted:
            break
        kept = max(wanted, int(SHRINK * len(pieces)))
        costs = _costs(pieces, _scores(counts))
        best = sorted(pieces, key=lambda piece: (-costs[piece], piece))[:kept]
        counts = Counter({piece: pieces[piece] for piece in best})
    scores = _scores(counts)
    order = [*ALPHABET, *sorted(pieces, key=lambda piece: (-scores[piece], piece))]
    return Learned(order, len(ALPHABET), scores=[scores[piece] for piece in order])


def core(learned: Learned, special: Sequence[str]) -> Core:
    """A Unigram model over byte-level text."""
    rows = [*((name, NEVER) for name in special), *zip(learned.pieces, learned.scores, strict=True)]
    return wrapped(models.Unigram(rows))


def seeds(words: Counter[str], most: int) -> Counter[str]:
    """Substrings that occur twice, spelled in bytes, with how often; the ones that save most.

    A substring is looked at only if its beginning occurs twice: memory follows what repeats.

    >>> seeds(Counter({"moon": 2, "soon": 1}), 2)
    Counter({'oon': 3, 'moon': 2})
    """
    found: Counter[str] = Counter()
    before: Counter[str] | None = None
    for length in range(1, LONGEST + 1):
        counts: Counter[str] = Counter()
        for word, n in words.items():
            for start in range(len(word) - length + 1):
                if before is None or word[start : start + length - 1] in before:
                    counts[word[start : start + length]] += n
        before = Counter({part: n for part, n in counts.items() if n > 1})
        found.update({p: n for p, n in before.items() if length > 1 or not p.isascii()})
        if not before:
            break
    size = {part: len(part.encode()) for part in found}
    best = sorted(found, key=lambda part: (-found[part] * size[part], part))[:most]
    return Counter({spelled(part): found[part] for part in best})


ALPHABET_SET = frozenset(ALPHABET)


def _words(texts: Iterable[str]) -> Counter[str]:
    """The most frequent words of texts, as the pre-tokenizer cuts them."""
    words: Counter[str] = Counter()
    cut = wrapped(models.BPE()).pre_tokenizer[0]
    for text in texts:
        known = QWEN2_SPLITTER.knows(text)
        parts = QWEN2_SPLITTER.words(text) if known else (w for w, _ in cut.pre_tokenize_str(text))
        words.update(parts)
    order = sorted(words, key=lambda word: (-words[word], zlib.crc32(word.encode()), word))
    kept, room = Counter[str](), WORDS_BYTES
    for word in order:
        room -= len(word.encode())
        if room < 0:
            break
        kept[word] = words[word]
    return kept


def _counted(words: Counter[str], counts: Counter[str]) -> Counter[str]:
    """How often each piece is in the best segmentations of words, by probabilities from counts."""
    scores = _scores(counts)
    encoder = wrapped(models.Unigram(list(scores.items())))
    names, result = list(scores), Counter[str]()
    todo = iter(words.items())
    tally = [0] * len(names)
    while batch := list(islice(todo, 10_000)):
        encodings = encoder.encode_batch_fast([word for word, _ in batch])
        for encoding, (_, n) in zip(encodings, batch, strict=True):
            for number in encoding.ids:
                tally[number] += n
    result.update({names[number]: n for number, n in enumerate(tally) if n})
    return result


def _scores(counts: Counter[str]) -> dict[str, float]:
    """The logarithm of each piece's share; a byte that never occurred counts as half an occurrence.

    Rounded, so that a file does not depend on the last digit of a machine's logarithm.
    """
    full = {**dict.fromkeys(ALPHABET, 0.5), **counts}
    total = math.log(sum(full.values()))
    return {piece: round(math.log(n) - total, 6) for piece, n in full.items()}


def _costs(pieces: dict[str, int], scores: dict[str, float]) -> dict[str, float]:
    """What the text would lose without each piece: its count times what replacing it costs."""
    longest = max(map(len, pieces), default=1)
    return {
        piece: n * (scores[piece] - _best_without(piece, scores, longest))
        for piece, n in pieces.items()
    }


def _best_without(piece: str, scores: dict[str, float], longest: int) -> float:
    """The score of a piece's best segmentation into others (Viterbi)."""
    best = [0.0] + [-math.inf] * len(piece)
    for start, score in enumerate(best[:-1]):
        score = best[start]
        if score == -math.inf:
            continue
        for end in range(start + 1, min(start + longest, len(piece)) + 1):
            part = scores.get(piece[start:end])
            if part is not None and end - start < len(piece) and score + part > best[end]:
                best[end] = score + part
    return best[-1]
