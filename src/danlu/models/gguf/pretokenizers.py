"""How a byte-level vocabulary cuts text, by the name that GGUF gives it.

A file holds only a name, `tokenizer.ggml.pre`; what it means is written down in llama.cpp
(src/llama-vocab.cpp) and in the `tokenizer.json` of the models that are meant. A name that is not
here is refused: another way to cut gives other ids, and a model that answers worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from danlu.tokenizer.bytelevel import QWEN2

Json = dict[str, Any]

LLAMA3 = QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
"""Qwen 2's expression, with digits in groups of up to three."""

TEKKEN = (
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
    r"|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
    r"|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""Mistral NeMo's: words are also cut where capitals begin."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A way to cut text, and what goes with it."""

    steps: tuple[Json, ...]
    """Pre-tokenizers, as `tokenizer.json` writes them."""

    bos: bool = False
    """Whether texts begin with BOS where the file does not say."""

    whole_words: bool = False
    """Whether a word that is a token is taken without merging."""

    @property
    def pre_tokenizer(self) -> Json:
        """The steps as one."""
        if len(self.steps) == 1:
            return self.steps[0]
        return {"type": "Sequence", "pretokenizers": list(self.steps)}


def _bytes(*, by_gpt2: bool) -> Json:
    """Spell bytes as characters, after GPT-2's cut or after one of our own."""
    return {
        "type": "ByteLevel",
        "add_prefix_space": False,
        "trim_offsets": True,
        "use_regex": by_gpt2,
    }


def _split(expression: str) -> Json:
    pattern = {"Regex": expression}
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


GPT2_CUT = Cut((_bytes(by_gpt2=True),))
DIGITS_CUT = Cut(({"type": "Digits", "individual_digits": True}, _bytes(by_gpt2=True)))
QWEN2_CUT = Cut((_split(QWEN2), _bytes(by_gpt2=False)))
LLAMA3_CUT = Cut((_split(LLAMA3), _bytes(by_gpt2=False)), bos=True, whole_words=True)
TEKKEN_CUT = Cut((_split(TEKKEN), _bytes(by_gpt2=False)), bos=True, whole_words=True)

CUTS: dict[str, Cut] = {
    **dict.fromkeys(("gpt-2", "olmo", "mpt", "jais"), GPT2_CUT),
    **dict.fromkeys(("smollm", "starcoder", "refact", "codeshell", "minerva-7b"), DIGITS_CUT),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "megrez", "hunyuan", "stablelm2"), QWEN2_CUT),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3", "falcon3"), LLAMA3_CUT),
    "tekken": TEKKEN_CUT,
}
