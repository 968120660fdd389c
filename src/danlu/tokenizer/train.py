"""Train a tokenizer of any kind, with the special tokens and chat template that all kinds share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import cast

from tokenizers import AddedToken, processors

from danlu import discover
from danlu.errors import DataError
from danlu.tokenizer.kind import Kind, Learned
from danlu.tokenizer.template import CHATML
from danlu.tokenizer.tokenizer import Tokenizer, check_encodable

END, TURN_START, TURN_END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"
KINDS = "danlu.tokenizer.kinds"


def train(texts: Iterable[str], *, vocab: int, kind: str = "bpe", strict: bool = True) -> Tokenizer:
    """A tokenizer with `vocab` tokens, special ones included, from texts.

    The same texts in the same order give the same file, whatever the threads.

    Raises:
        UnknownName: there is no such kind.
        DataError: `vocab` is too small for the alphabet and special tokens, or (if `strict`)
            larger than the text supports; otherwise the vocabulary is as large as it can be.
    """
    learned = learn(texts, vocab=vocab, kind=kind, strict=strict)
    return built(learned, vocab=vocab, kind=kind)


def learn(texts: Iterable[str], *, vocab: int, kind: str = "bpe", strict: bool = True) -> Learned:
    """The pieces that `train` would make a tokenizer of; see there."""
    special = special_tokens(vocab, kind)
    if of_kind(kind).LOSSLESS and vocab - len(special) < 256:
        raise DataError(
            "the vocabulary is too small for the 256 bytes and the special tokens",
            got=f"--vocab {vocab}",
            expected=f"at least {_supported(0)}",
        )
    learned = of_kind(kind).learn(_encodable(texts), vocab - len(special))
    if strict:
        check(learned, vocab=vocab, kind=kind)
    return learned


def check(learned: Learned, *, vocab: int, kind: str) -> None:
    """Refuse a vocabulary that what was learnt does not fill.

    Raises:
        DataError: it is too large; the message has the largest that is possible.
    """
    got = len(learned.pieces) + len(special_tokens(vocab, kind))
    if got < vocab:
        least, more = learned.alphabet, len(learned.pieces) - learned.alphabet
        if not of_kind(kind).NESTED:  # how many survive depends a little on how many are wanted
            more = more * 3 // 4
        what = "characters" if kind == "characters" else "pieces that occur twice"
        raise DataError(
            "the text does not support so many tokens",
            got=f"--vocab {vocab}, but there are no more {what} after {got}",
            fix=f"--vocab {_supported(more, least, kind)}, or more text",
        )


def built(learned: Learned, *, vocab: int, kind: str = "bpe") -> Tokenizer:
    """A tokenizer of the first pieces, at most `vocab` tokens with the special ones.

    For a nested kind that is what training for `vocab` would have given.

    Raises:
        DataError: `vocab` is too small for the alphabet.
    """
    special = special_tokens(vocab, kind)
    room = vocab - len(special)
    if room < learned.alphabet:
        raise DataError(
            "the vocabulary is too small for its alphabet",
            got=vocab,
            expected=f"at least {_supported(0, learned.alphabet, kind)}",
        )
    kept = Learned(learned.pieces[:room], learned.alphabet, learned.merges, learned.scores[:room])
    core = of_kind(kind).core(kept, special)
    core.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in special])
    core.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, special.index(END))]
    )
    return Tokenizer(
        {
            "tokenizer.json": core.to_str(pretty=False).encode(),
            "tokenizer_config.json": _config(kind),
            "chat_template.jinja": CHATML.encode(),
        }
    )


def of_kind(kind: str) -> Kind:
    """The module of a kind.

    Raises:
        UnknownName: there is none; the message has the nearest spelling.
    """
    return cast(Kind, discover.find(KINDS, kind, "kind of tokenizer"))


def special_tokens(vocab: int, kind: str = "bpe") -> list[str]:
    """The special tokens of a vocabulary: four with a meaning, then up to 64 in reserve.

    Reserved ones cost nothing and let a later fine-tuning add markers without resizing the model.
    A kind that has a token for what is unknown has it last.

    >>> special_tokens(1024)[:5], len(special_tokens(1024)), len(special_tokens(50_000))
    (['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|pad|>', '<|reserved_0|>'], 12, 68)
    """
    reserve = min(64, vocab // 128)
    unknown = of_kind(kind).UNKNOWN
    names = [END, TURN_START, TURN_END, PAD, *(f"<|reserved_{i}|>" for i in range(reserve))]
    return [*names, unknown] if unknown else names


def _supported(learnt: int, alphabet: int = 256, kind: str = "bpe") -> int:
    """The largest vocabulary that so many pieces fill, a multiple of 64 if there is one.

    >>> _supported(0), _supported(100), _supported(1000)
    (262, 320, 1216)
    """
    sizes = range(alphabet, alphabet + 69 + learnt + 1)
    fit = [n for n in sizes if 0 <= n - alphabet - len(special_tokens(n, kind)) <= learnt]
    return max([n for n in fit if n % 64 == 0] or fit)


def vocabulary(text_bytes: int, han_share: float) -> int:
    """A vocabulary size before anything is measured: small for small texts, larger for Chinese.

    A large vocabulary makes texts shorter and the head dearer, and needs enough text to learn its
    rare tokens; Chinese has thousands of common characters of three bytes each. `ladder.suggest`
    says more when it may look at the text.

    >>> vocabulary(15_000_000, 0.0), vocabulary(15_000_000, 0.8), vocabulary(10**11, 0.0)
    (2048, 4096, 50304)
    """
    for bound, alphabetic, chinese in SIZES:
        if text_bytes < bound:
            return chinese if han_share > 0.2 else alphabetic
    return 50_304


SIZES = (
    (500_000, 512, 1024),
    (3_000_000, 1024, 2048),
    (50_000_000, 2048, 4096),
    (1_000_000_000, 8192, 12_288),
    (20_000_000_000, 32_768, 32_768),
)
"""Bytes of text, and the vocabulary below that for alphabetic and for Chinese text."""


def _config(kind: str) -> bytes:
    unknown = of_kind(kind).UNKNOWN
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": PAD,
        **({"unk_token": unknown} if unknown else {}),
        "model_max_length": 1_000_000,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
        "chat_template": CHATML,
    }
    return (json.dumps(config, ensure_ascii=False, indent=2) + "\n").encode()


def _encodable(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        check_encodable([text])
        yield text
