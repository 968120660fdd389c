"""Texts, templates and small tokenizers for these tests."""

from __future__ import annotations

import json
from functools import cache
from pydoc_data.topics import topics
from typing import Any

import tokenizers
from hypothesis import strategies as st
from tokenizers import AddedToken, decoders, models, pre_tokenizers, processors, trainers

from danlu.tokenizer import Tokenizer, train
from danlu.types import Message

TEXTS = [
    "The quick brown fox jumps over the lazy dog. It didn't rain: 3.14 mm in 1999, they're told.\n",
    "def join(path, *paths):\n    return os.path.join(path, *paths)\n\n\n",
    "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。\n",
    "user and assistant, system\n",
]

MORE = [*TEXTS * 20, *(topics[name] for name in ("with", "yield", "imaginary", "assignment"))]

NASTY = (
    " leading\ttabs\r\n\r\n  trailing   \n\n\n"
    "naïve café e\u0301 ﬁ Ⅷ İstanbul ẞ "
    "床前明月光 3.14159 1,000,000 ２０２６ ٣٤ "
    "👩‍👩‍👧‍👦 🇨🇳 𠮷 \u200b\u200d\ufeff\u00a0\u3000\u2028\x00\x07\x7f "
    "don't DON'T we'LL o'clock <tag> &amp; \\n [INST] {{ x }} a_b __init__ ``` $1.50 ￥9 "
    "אבג مرحبا हिन्दी ไทย 한국어 𝔘𝔫𝔦𝔠𝔬𝔡𝔢 ∑∫ \ufdd0\uffff"
)

unicode = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
"""Any text that UTF-8 can say."""

PIECES = ["<|im_end|>", "<|", "|>", "im_", "end", "\n", "user", " ", "床", "<|endoftext|>", "x"]
spiteful = st.lists(st.sampled_from(PIECES) | unicode, max_size=6).map("".join)
"""Text that tries to be a control token."""


@cache
def trained(vocab: int = 640) -> Tokenizer:
    return train(MORE, vocab=vocab, strict=False)


def talk(*contents: str, system: str | None = None) -> list[Message]:
    """User and assistant in turn."""
    first = [] if system is None else [Message("system", system)]
    roles = ("user", "assistant")
    return first + [Message(roles[n % 2], text) for n, text in enumerate(contents)]


# ---- other people's tokenizers

LLAMA3 = (
    "{% set loop_messages = messages %}{% for message in loop_messages %}"
    "{% set content = '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n'"
    " + message['content'] | trim + '<|eot_id|>' %}"
    "{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}{{ content }}"
    "{% endfor %}{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)

GEMMA = (
    "{{ bos_token }}{% if messages and messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/...') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

MISTRAL = (
    "{{ bos_token }}{% for m in messages %}"
    "{% if m['role'] == 'user' %}{{ '[INST] ' + m['content'] + ' [/INST]' }}"
    "{% else %}{{ ' ' + m['content'] + eos_token }}{% endif %}{% endfor %}"
)

QWEN = (
    "{% if messages[0].role == 'system' %}"
    "{{ '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}"
    "{% else %}{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    "{% for message in messages %}"
    "{% if message.role == 'user' or (message.role == 'system' and not loop.first) %}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{% elif message.role == 'assistant' %}"
    "{{ '<|im_start|>assistant\n' + message.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

PHI3 = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>' + '\n' + message['content'] + '<|end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' + '\n' }}{% endif %}"
)

FORGETFUL = (
    "{% for m in messages %}{% if loop.last or m['role'] == 'user' %}"
    "{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""Drops all answers but the last: earlier turns change while the conversation grows."""

GLUE = "{% for m in messages %}{{ m['content'] }}{% endfor %}"
"""Puts messages next to each other with nothing between."""


@cache
def foreign(kind: str) -> Tokenizer:
    """A tokenizer as another lab ships it: byte-level, with its own special tokens."""
    special, begin, end, template = {
        "llama3": (
            [
                *("<|begin_of_text|>", "<|end_of_text|>"),
                *("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
            ],
            "<|begin_of_text|>",
            "<|end_of_text|>",
            LLAMA3,
        ),
        "gemma": (
            ["<bos>", "<eos>", "<pad>", "<start_of_turn>", "<end_of_turn>"],
            "<bos>",
            "<eos>",
            GEMMA,
        ),
        "mistral": (["<s>", "</s>"], "<s>", "</s>", MISTRAL),
    }[kind]
    core = tokenizers.Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    core.train_from_iterator(
        MORE,
        trainers.BpeTrainer(
            vocab_size=600,
            special_tokens=[AddedToken(t, special=True, normalized=False) for t in special],
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    core.add_tokens([AddedToken("<think> so", special=False)])  # with a space: no byte is called so
    core.post_processor = processors.TemplateProcessing(
        single=f"{begin} $A", special_tokens=[(begin, special.index(begin))]
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": {"content": begin, "lstrip": False, "special": True},
        "eos_token": end,
        "chat_template": template,
    }
    return Tokenizer(contents(core, config))


def contents(core: tokenizers.Tokenizer, config: dict[str, Any]) -> dict[str, bytes]:
    return {
        "tokenizer.json": core.to_str().encode(),
        "tokenizer_config.json": json.dumps(config).encode(),
    }


def with_template(tokenizer: Tokenizer, template: str) -> Tokenizer:
    return Tokenizer({**tokenizer.contents, "chat_template.jinja": template.encode()})
