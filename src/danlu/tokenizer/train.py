"""Train a byte-level BPE tokenizer (Sennrich et al. 2016; bytes: Radford et al. 2019).

All 256 bytes are in the vocabulary, so any text comes back unchanged. The pre-tokenizer is Qwen 2's
expression, which llama.cpp knows by the name `qwen2`: digits stand alone, which suits small
vocabularies and Chinese numerals.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from tokenizers import AddedToken, Regex, decoders, models, pre_tokenizers, processors, trainers
from tokenizers import Tokenizer as Core

from danlu.errors import DataError
from danlu.tokenizer.chat import CHATML
from danlu.tokenizer.tokenizer import Tokenizer, check_encodable

END, TURN_START, TURN_END, PAD = "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def train(texts: Iterable[str], *, vocab: int, strict: bool = True) -> Tokenizer:
    """A tokenizer with `vocab` tokens, special ones included, from texts.

    Raises:
        DataError: `vocab` is too small for the bytes and special tokens, or (if `strict`) larger
            than the text supports; otherwise the vocabulary is then as large as it can be.
    """
    special = special_tokens(vocab)
    least = 256 + len(special)
    if vocab < least:
        raise DataError("vocabulary is too small", got=vocab, expected=f"at least {least}")
    core = Core(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab,
        min_frequency=2,
        special_tokens=[AddedToken(t, special=True, normalized=False) for t in special],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(_encodable(texts), trainer)
    got = core.get_vocab_size()
    if got < vocab and strict:
        raise DataError(
            "the text does not support so many tokens",
            got=f"--vocab {vocab}, but no pair of tokens occurs twice after {got}",
            fix=f"--vocab {_supported(got - least)}, or more text",
        )
    core.post_processor = processors.TemplateProcessing(
        single=f"{END} $A", pair=f"{END} $A {END} $B", special_tokens=[(END, special.index(END))]
    )
    return Tokenizer(
        {
            "tokenizer.json": core.to_str(pretty=False).encode(),
            "tokenizer_config.json": _config(),
            "chat_template.jinja": CHATML.encode(),
        }
    )


def special_tokens(vocab: int) -> list[str]:
    """The special tokens of a vocabulary: four with a meaning, then up to 64 in reserve.

    Reserved ones cost nothing and let a later fine-tuning add markers without resizing the model.

    >>> special_tokens(1024)[:5], len(special_tokens(1024)), len(special_tokens(50_000))
    (['<|endoftext|>', '<|im_start|>', '<|im_end|>', '<|pad|>', '<|reserved_0|>'], 12, 68)
    """
    reserve = min(64, vocab // 128)
    return [END, TURN_START, TURN_END, PAD, *(f"<|reserved_{i}|>" for i in range(reserve))]


def _supported(merges: int) -> int:
    """The largest vocabulary that so many merges fill, a multiple of 64 if there is one.

    >>> _supported(0), _supported(100), _supported(1000)
    (262, 320, 1216)
    """
    sizes = range(256, 256 + 68 + merges + 1)
    fit = [n for n in sizes if 0 <= n - 256 - len(special_tokens(n)) <= merges]
    return max([n for n in fit if n % 64 == 0] or fit)


def vocabulary(text_bytes: int, han_share: float) -> int:
    """A vocabulary size for a text: small ones for small texts, larger for Chinese characters.

    A large vocabulary makes texts shorter and the head dearer, and needs enough text to learn its
    rare tokens; Chinese has thousands of common characters of three bytes each.

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


def _config() -> bytes:
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END,
        "eos_token": END,
        "pad_token": PAD,
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
