"""BPE over characters with ▁ for the space, and bytes for rare characters: as Llama 2 and Gemma.

SentencePiece's way (Kudo & Richardson 2018, arXiv:1808.06226), with byte fallback. Whole characters
are pieces from the start, so Chinese needs no merges to get from bytes to characters, but each of
them takes a place in the vocabulary: the most frequent ones, until they make up 99.95% of the text,
SentencePiece's value for such languages. Everything comes back but ▁ itself, which becomes a space:
`bpe` is the choice where that matters.

Words are cut for training only. No merge reaches across a cut, so encoding needs none, as in the
files of Llama and Gemma. No space is put before a text.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Regex, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers import Tokenizer as Core

from danlu.errors import DataError
from danlu.tokenizer.kind import Learned
from danlu.tokenizer.kinds.wordpiece import most_frequent
from danlu.tokenizer.spelling import BYTES, SPACE

LOSSLESS, NESTED, UNKNOWN = False, True, ""

WORDS = rf"{SPACE}?\p{{L}}+|\p{{N}}|{SPACE}?[^{SPACE}\s\p{{L}}\p{{N}}]+[\r\n]*|{SPACE}+(?={SPACE})"
WORDS += rf"|{SPACE}|\s*[\r\n]+|\s+"
"""As `bytelevel.QWEN2` cuts: digits alone, a space with what follows it."""


def learn(texts: Iterable[str], size: int) -> Learned:
    """256 bytes, the alphabet, then merges of the most frequent pairs; see `bpe`.

    Raises:
        DataError: bytes and alphabet alone are more than `size`.
    """
    texts = list(texts)
    characters = alphabet(texts)
    alone = len(BYTES) + len(characters)
    if size < alone:
        raise DataError(
            "the vocabulary is too small for the characters of the text",
            got=f"room for {max(size, 0)} besides the special tokens",
            expected=f"at least {alone:,}: 256 bytes and {len(characters):,} characters",
            fix=f"--vocab {-(-(alone + 70) // 64) * 64}, or --kind bpe",
        )
    core = _wrapped(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Split(Regex(WORDS), behavior="isolated")
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=BYTES,
        initial_alphabet=characters,
        limit_alphabet=len(characters),
        show_progress=False,
    )
    core.train_from_iterator(texts, trainer)
    model = json.loads(core.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    return Learned(pieces, alone, [(left, right) for left, right in model["merges"]])


def core(learned: Learned, special: Sequence[str]) -> Core:
    """A BPE with byte fallback; merges whose product is not among the pieces are left out."""
    vocab = {piece: number for number, piece in enumerate([*special, *learned.pieces])}
    merges = [pair for pair in learned.merges if "".join(pair) in vocab]
    return _wrapped(models.BPE(vocab, merges, byte_fallback=True, fuse_unk=True))


def alphabet(texts: Iterable[str]) -> list[str]:
    """▁ and the most frequent characters of texts.

    >>> alphabet(["to be or not to be"])
    ['▁', 'o', 't', 'b', 'e', 'n', 'r']
    """
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    counts.pop(" ", None)
    counts.pop(SPACE, None)
    return [SPACE, *most_frequent(counts)]


def _wrapped(model: models.BPE) -> Core:
    core = Core(model)
    core.normalizer = normalizers.Replace(" ", SPACE)
    core.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    return core
