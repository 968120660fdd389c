"""What costs no training, on the same tokens: is my loss sane?

A language model that has learned anything beats the frequencies of tokens; one that uses its
context beats the bigram; one that is worth its training beats an interpolated modified Kneser-Ney
5-gram (`ngram.py`). All of them are fitted to the training stream, score the held-out stream's
tokens but the first, as `Perplexity` does, and divide by the same bytes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from danlu.errors import DataError
from danlu.evaluate.ngram import NGram, Tokens, checked

UNIFORM, UNIGRAM, BIGRAM = "uniform (ln V)", "unigram", "bigram"
TOO_GOOD = 0.3
"""Bits per byte that no model of natural text reaches unless it has seen the very text."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What one simple model achieves."""

    name: str

    loss: float
    """Nats a token."""

    bits_per_byte: float

    perplexity: float

    accuracy: float
    """Share of tokens that were the most probable one."""


def baselines(
    train_tokens: Tokens,
    held_out_tokens: Tokens,
    *,
    vocab_size: int,
    held_out_bytes: int,
    order: int = 5,
) -> list[Baseline]:
    """Uniform, unigram, bigram and Kneser-Ney models of a training stream, weakest kind first.

    Args:
        train_tokens: [N] the stream that the model was trained on, boundary tokens included.
        held_out_tokens: [T] the stream that `Perplexity` scores; its first token is only context.
        vocab_size: V.
        held_out_bytes: UTF-8 bytes of the held-out stream's original text.
        order: of the Kneser-Ney model. One of 5 takes 1-2 s and 100-250 MB a million tokens.

    Raises:
        DataError: a stream is too short, or has ids outside the vocabulary.

    >>> import numpy as np
    >>> stream = np.array([0, 1, 2] * 50 + [0])
    >>> [(b.name, round(b.loss, 2)) for b in baselines(
    ...     stream, stream, vocab_size=4, held_out_bytes=100, order=3)]
    [('uniform (ln V)', 1.39), ('unigram', 1.11), ('bigram', 0.02), ('Kneser-Ney 3-gram', 0.01)]
    """
    truth = checked(held_out_tokens, vocab_size)[1:]
    if len(truth) == 0 or held_out_bytes < 1:
        got = f"{len(truth)} tokens to score, {held_out_bytes} bytes"
        raise DataError("there is no held-out text to evaluate on", got=got)

    def row(name: str, loss: float, accuracy: float) -> Baseline:
        bits = loss * len(truth) / math.log(2) / held_out_bytes
        return Baseline(name, loss, bits, math.exp(loss), accuracy)

    def fitted() -> Iterator[Baseline]:
        for name, n in ((UNIGRAM, 1), (BIGRAM, 2), (f"Kneser-Ney {order}-gram", order)):
            model = NGram.fit(train_tokens, order=n, vocab_size=vocab_size)
            right = model.predict(held_out_tokens)[1:] == truth
            yield row(name, float(model.nll(held_out_tokens)[1:].mean()), float(right.mean()))

    return [row(UNIFORM, math.log(vocab_size), 1 / vocab_size), *fitted()]


def verdict(
    result: Mapping[str, float], rows: Sequence[Baseline], *, lang: Literal["en", "zh"] = "en"
) -> str:
    """One honest sentence on a model's held-out result beside baselines on the same tokens.

    Args:
        result: `loss` and `bits_per_byte`, as `Perplexity` gives them.
        rows: as `baselines` gives them.
        lang: language of the sentence.

    >>> rows = [Baseline(UNIFORM, 6.9, 4.0, 992.3, 0.001), Baseline(UNIGRAM, 5.2, 3.0, 181.3, 0.05),
    ...         Baseline(BIGRAM, 3.6, 2.1, 36.6, 0.2),
    ...         Baseline("Kneser-Ney 5-gram", 2.8, 1.6, 16.4, 0.35)]
    >>> verdict({"loss": 2.6, "bits_per_byte": 1.5}, rows)
    'Sane and good: 1.500 bits per byte, 6.2% fewer than the Kneser-Ney 5-gram (1.600).'
    """
    loss, bits = result["loss"], result["bits_per_byte"]
    named = {row.name: row for row in rows}
    best = min(rows, key=lambda row: row.loss)
    if not math.isfinite(loss):
        key, beside = "broken", best
    elif loss >= named[UNIFORM].loss:
        key, beside = "chance", named[UNIFORM]
    elif loss >= named[UNIGRAM].loss:
        key, beside = "nothing", named[UNIGRAM]
    elif bits < TOO_GOOD and bits < best.bits_per_byte:
        key, beside = "leak", best
    elif loss < best.loss:
        key, beside = "better", best
    elif loss >= named[BIGRAM].loss:
        key, beside = "frequencies", named[BIGRAM]
    else:
        key, beside = "worse", best
    share = abs(bits / beside.bits_per_byte - 1) if math.isfinite(bits) else 0.0
    name = beside.name if lang == "en" else _CHINESE.get(beside.name, beside.name)
    values = {"bits": bits, "share": share, "name": name, "other": beside.bits_per_byte}
    return SENTENCES[key][lang].format(**values)


_CHINESE = {
    UNIFORM: "均匀猜测",
    UNIGRAM: "一元模型",
    BIGRAM: "二元模型",
    "Kneser-Ney 5-gram": "Kneser-Ney 五元模型",
}

SENTENCES = {
    "broken": {
        "en": "Broken: the loss is not a finite number.",
        "zh": "出错了：损失不是有限的数。",
    },
    "chance": {
        "en": "Broken: {bits:.3f} bits per byte is no better than guessing among all tokens "
        "({other:.3f}); look at the labels, the tokenizer and the learning rate.",
        "zh": "有问题：每字节 {bits:.3f} 比特，不比在全部词元中瞎猜（{other:.3f}）强；"
        "请检查标签、分词器和学习率。",
    },
    "nothing": {
        "en": "Something is wrong, or training has hardly begun: {bits:.3f} bits per byte is no "
        "better than knowing how frequent each token is (unigram, {other:.3f}).",
        "zh": "有问题，或者训练才刚开始：每字节 {bits:.3f} 比特，"
        "不比只知道每个词元的频率（一元模型，{other:.3f}）强。",
    },
    "frequencies": {
        "en": "The model has learned which tokens are frequent, but makes little use of context: "
        "{bits:.3f} bits per byte, {share:.1%} more than the bigram ({other:.3f}); train longer.",
        "zh": "模型学会了哪些词元常见，但几乎没有利用上下文：每字节 {bits:.3f} 比特，"
        "比二元模型（{other:.3f}）多 {share:.1%}；需要训练更久。",
    },
    "worse": {
        "en": "Sane, but not good yet: {bits:.3f} bits per byte, {share:.1%} more than counting "
        "alone achieves ({name}, {other:.3f}); train longer or change the recipe.",
        "zh": "正常，但还不够好：每字节 {bits:.3f} 比特，比只靠计数的{name}（{other:.3f}）"
        "多 {share:.1%}；需要训练更久或换一个配方。",
    },
    "better": {
        "en": "Sane and good: {bits:.3f} bits per byte, {share:.1%} fewer than the {name} "
        "({other:.3f}).",
        "zh": "正常而且不错：每字节 {bits:.3f} 比特，比{name}（{other:.3f}）少 {share:.1%}。",
    },
    "leak": {
        "en": "Too good to be true: {bits:.3f} bits per byte; the held-out text is probably in "
        "what the model was trained on.",
        "zh": "好得不像真的：每字节 {bits:.3f} 比特；留出的文本很可能出现在训练数据里。",
    },
}
