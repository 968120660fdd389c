"""A tokenizer: Hugging Face's `tokenizer.json` and what Danlu needs to know about it.

Notable choices: text is never parsed for special tokens (a user who types `<|im_end|>` gets those
ten characters), so control ids only come from code; BOS sits in the post-processor of
`tokenizer.json`, because transformers 5 ignores `add_bos_token`; the class is written as
`PreTrainedTokenizerFast`, which transformers 4 and 5 load without swapping the pre-tokenizer.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import tokenizers

from danlu import files
from danlu.errors import ConfigError, DataError

MAX_BYTES = 64 << 20
NAMES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


class Tokenizer:
    """Encodes text to ids and decodes ids to text.

    `contents` are the bytes of its files, by name: what is saved is what was loaded or trained.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        self.contents = dict(contents)
        try:
            text = self.contents["tokenizer.json"].decode()
            self._core = tokenizers.Tokenizer.from_str(text)
            self.config: dict[str, Any] = json.loads(self.contents["tokenizer_config.json"])
        except KeyError as error:
            raise DataError(f"a tokenizer needs {error.args[0]}") from None
        except Exception as error:  # tokenizers raises bare Exception
            raise DataError(f"tokenizer files cannot be read: {error}") from None
        self._core.encode_special_tokens = True

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """A tokenizer from a folder: one of `danlu tokenizer`, or any model folder.

        Raises:
            DataError: a file is missing or broken.
        """
        contents = {}
        for name in NAMES:
            path = folder / name
            if path.is_file():
                if path.stat().st_size > MAX_BYTES:
                    raise DataError(f"{path} is too large", got=path.stat().st_size)
                contents[name] = path.read_bytes()
        if missing := [name for name in NAMES[:2] if name not in contents]:
            raise DataError(
                f"{folder} has no tokenizer",
                got=f"no {', '.join(missing)}",
                expected="a folder made by `danlu tokenizer` or a model folder",
            )
        return cls(contents)

    def save(self, folder: Path) -> None:
        """Write the files; equal ones are left alone.

        Raises:
            ConfigError: another tokenizer is there.
        """
        for name, data in self.contents.items():
            path = folder / name
            if path.is_file() and path.read_bytes() == data:
                continue
            if path.exists():
                raise ConfigError(f"{folder} holds another tokenizer", fix="choose another --out")
            files.write_atomic(path, data)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without BOS; special tokens in it are plain text."""
        try:
            return self._core.encode(text, add_special_tokens=False).ids
        except UnicodeEncodeError:
            raise DataError("text holds half of a surrogate pair", got=ascii(text[:80])) from None

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, on all cores."""
        encodings = self._core.encode_batch_fast(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out, bytes that are no UTF-8 become U+FFFD."""
        return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for; empty for special and unknown tokens."""
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""

    def token(self, text: str) -> int | None:
        """The id of a token by its text, such as `<|im_end|>`; None if there is none."""
        return self._core.token_to_id(text)

    @property
    def vocab_size(self) -> int:
        """Number of tokens, special ones included."""
        return self._core.get_vocab_size(with_added_tokens=True)

    @cached_property
    def special(self) -> dict[str, int]:
        """Special tokens and their ids."""
        added = self._core.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    @cached_property
    def bos_id(self) -> int:
        """The token that begins a document."""
        return self._special_id("bos_token")

    @cached_property
    def pad_id(self) -> int:
        """The token that fills a row; never trained, never the same as an end."""
        return self._special_id("pad_token")

    @cached_property
    def eos_ids(self) -> list[int]:
        """Tokens that end a text: the end of a document first, then the end of a turn."""
        ends = [self._special_id("eos_token"), self.token("<|im_end|>")]
        return list(dict.fromkeys(end for end in ends if end is not None))

    @property
    def chat_template(self) -> str | None:
        """The Jinja template for conversations."""
        if "chat_template.jinja" in self.contents:  # the file wins over the key
            return self.contents["chat_template.jinja"].decode()
        template = self.config.get("chat_template")
        return template if isinstance(template, str) else None

    @cached_property
    def sha256(self) -> str:
        """Hash of `tokenizer.json`: two tokenizers with the same hash give the same ids."""
        import hashlib

        return hashlib.sha256(self.contents["tokenizer.json"]).hexdigest()

    def _special_id(self, key: str) -> int:
        value = self.config.get(key)
        text = value.get("content") if isinstance(value, dict) else value
        number = self.token(text) if isinstance(text, str) else None
        if number is None:
            raise DataError(f"the tokenizer has no {key}", got=value, expected="one of its tokens")
        return number

    @cached_property
    def _bytes(self) -> list[bytes]:
        vocab = self._core.get_vocab(with_added_tokens=True)
        table = [b""] * (max(vocab.values()) + 1)
        special = set(self.special.values())
        for piece, number in vocab.items():
            if number not in special:
                table[number] = bytes(_BYTE_OF[char] for char in piece)
        return table


def _byte_level_alphabet() -> dict[str, int]:
    """The character that stands for each byte in byte-level BPE (Radford et al. 2019, GPT-2).

    Printable bytes stand for themselves; the other 68 are moved up to 256, 257, …
    """
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in printable}
    moved = (byte for byte in range(256) if byte not in set(printable))
    return table | {chr(256 + n): byte for n, byte in enumerate(moved)}


_BYTE_OF = _byte_level_alphabet()
