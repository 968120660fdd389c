"""Byte-level byte-pair encoding: the usual choice; any text comes back unchanged.

Sennrich et al. 2016 (arXiv:1508.07909, §3.2); over bytes: Radford et al. 2019 (GPT-2, §2.2). The
pre-tokenizer is Qwen 2's expression, which llama.cpp knows by the name `qwen2`: digits stand alone,
which suits small vocabularies and Chinese numerals. Merges are learnt one after the other, so a
smaller vocabulary is the beginning of a larger one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer as Core
from tokenizers import models, trainers

from danlu.tokenizer.bytelevel import ALPHABET, wrapped
from danlu.tokenizer.kind import Learned

LOSSLESS, NESTED, UNKNOWN = True, True, ""


def learn(texts: Iterable[str], size: int) -> Learned:
    """256 bytes, then merges of the most frequent pairs; those that occur once are left out.

    Ties go to the pair with the smaller numbers, so the result does not depend on threads.
    """
    core = wrapped(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=size, min_frequency=2, initial_alphabet=ALPHABET, show_progress=False
    )
    core.train_from_iterator(texts, trainer)
    model = json.loads(core.to_str())["model"]
    pieces = sorted(model["vocab"], key=model["vocab"].get)
    return Learned(pieces, len(ALPHABET), [(left, right) for left, right in model["merges"]])


def core(learned: Learned, special: Sequence[str]) -> Core:
    """A byte-level BPE; merges whose product is not among the pieces are left out."""
    vocab = {piece: number for number, piece in enumerate([*special, *learned.pieces])}
    merges = [pair for pair in learned.merges if "".join(pair) in vocab]
    return wrapped(models.BPE(vocab, merges))
