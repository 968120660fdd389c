"""A tokenizer: Hugging Face's `tokenizer.json` and what Danlu needs to know about it.

Notable choices: text is never parsed for special tokens (a user who types `<|im_end|>` gets those
ten characters), so control ids only come from code; BOS sits in the post-processor of
`tokenizer.json`, because transformers 5 ignores `add_bos_token`; the class is written as
`PreTrainedTokenizerFast`, which transformers 4 and 5 load without swapping the pre-tokenizer; only
byte-level vocabularies are read (GPT-2, Llama 3, Qwen), because only those give back every byte,
and WordPiece (BERT), which says of itself that it does not; batches look words up that were encoded
before, where it is known how words are cut (`pretokens`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from itertools import accumulate, chain, compress, pairwise
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import tokenizers

from danlu import files
from danlu.errors import ConfigError, DataError
from danlu.tokenizer import pretokens, reach
from danlu.tokenizer.bytelevel import bytes_of
from danlu.tokenizer.words import BETWEEN, Words

MAX_BYTES = 64 << 20
NAMES = ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja")
TURN_ENDS = ("<|im_end|>", "<|eot_id|>", "<end_of_turn>")
"""Special tokens by which ChatML, Llama 3 and Gemma end a turn."""

T = TypeVar("T")


class Tokenizer:
    """Encodes text to ids and decodes ids to text.

    `contents` are the bytes of its files, by name: what is saved is what was loaded or trained.
    """

    def __init__(self, contents: Mapping[str, bytes], *, folder: Path | None = None) -> None:
        self.contents, self._folder = dict(contents), folder
        core = self._read("tokenizer.json", tokenizers.Tokenizer.from_str)
        self.config: dict[str, Any] = self._read("tokenizer_config.json", _object)
        self.chat_template = self._chat_template()
        self._core = core
        decoder = repr(core.decoder)
        self.lossless = "ByteLevel(" in decoder
        """Whether every text comes back to the byte; WordPiece changes spaces and loses words."""
        if not self.lossless and not decoder.startswith("WordPiece("):
            raise DataError(
                f"{self._name('tokenizer.json')} is neither a byte-level tokenizer nor WordPiece",
                got=f"decoder {decoder}",
                expected="a ByteLevel decoder, as those of GPT-2, Llama 3, Qwen and Danlu have, "
                "or BERT's",
            )
        core.encode_special_tokens = True

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
                with files.explained(path, "read"), path.open("rb") as file:
                    contents[name] = file.read(MAX_BYTES + 1)
                if len(contents[name]) > MAX_BYTES:
                    raise DataError(f"{path} is too large", expected=f"at most {MAX_BYTES:,} bytes")
        if missing := [name for name in NAMES[:2] if name not in contents]:
            raise DataError(
                f"{folder} has no tokenizer",
                got=f"no {', '.join(missing)}",
                expected="a folder made by `danlu tokenizer` or a model folder",
            )
        return cls(contents, folder=folder)

    def save(self, folder: Path) -> None:
        """Write the files; equal ones are left alone.

        Raises:
            ConfigError: another tokenizer is there.
        """
        there = [name for name in NAMES if (folder / name).exists()]
        for name in there:
            path = folder / name
            if not path.is_file() or path.read_bytes() != self.contents.get(name):
                raise ConfigError(
                    f"{folder} holds another tokenizer", got=name, fix="choose another --out"
                )
        for name, data in self.contents.items():
            if name not in there:
                files.write_atomic(folder / name, data)

    def encode(self, text: str) -> list[int]:
        """Ids of a text, without BOS; special tokens in it are plain text.

        Raises:
            DataError: it holds half of a surrogate pair, which no encoding can say.
        """
        try:
            return self._core.encode(text, add_special_tokens=False).ids
        except TypeError:
            check_encodable([text])
            raise

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of many texts, the same as `encode` gives, in half the time where words repeat.

        Raises:
            DataError: see `encode`.
        """
        return [ids.tolist() for ids in self.encode_arrays(texts)]

    def encode_arrays(self, texts: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
        """Ids of many texts, [tokens] each: as `encode_batch`, without a Python number a token.

        Texts whose words can be looked up are done in this thread, others by the library on all
        cores.

        Raises:
            DataError: see `encode`.
        """
        try:
            return self._encode_arrays(texts)
        except TypeError:
            check_encodable(texts)
            raise

    def _encode_arrays(self, texts: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
        knows = [self._split is not None and self._split.knows(text) for text in texts]
        known = iter(self._looked_up(list(compress(texts, knows))))
        rest = iter(
            self._rest([text for text, is_known in zip(texts, knows, strict=True) if not is_known])
        )
        return [next(known if is_known else rest) for is_known in knows]

    def _looked_up(self, texts: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
        """Ids of known texts, word by word."""
        if not texts:
            return []
        assert self._split
        cut = texts if self._reach is None else reach.marked(texts, self._reach)
        words = [list(self._split.words(text)) for text in cut]
        ids = self._words.ids(list(chain.from_iterable(words)))
        ends = list(accumulate(map(len, words), initial=0))
        return [np.frombuffer(b"".join(ids[i:j]), np.uint32) for i, j in pairwise(ends)]

    def _rest(self, texts: Sequence[str]) -> list[npt.NDArray[np.uint32]]:
        """Ids of other texts: line by line where that gives the same, for some lines are known."""
        if self._split is pretokens.QWEN2_SPLITTER:
            lines = [pretokens.lines(text) for text in texts]
            if len(joined := list(chain.from_iterable(lines))) > len(texts):
                own = iter(self._encode_arrays(joined))
                return [np.concatenate([next(own) for _ in some]) for some in lines]
        encodings = self._core.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, np.uint32) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out, bytes that are no UTF-8 become U+FFFD."""
        data = b"".join(map(self.token_bytes, ids))
        return (data if self.lossless else data.lstrip()).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for; empty for special and unknown tokens.

        WordPiece: with a space before what begins a word, unless it is punctuation or Chinese.
        """
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""

    @cached_property
    def _split(self) -> pretokens.Splitter | None:
        return pretokens.splitter(json.loads(self.contents["tokenizer.json"]))

    @cached_property
    def _reach(self) -> reach.Table | None:
        """None where the library must not see less than a word."""
        model = json.loads(self.contents["tokenizer.json"])["model"]
        special = ("ignore_merges", "continuing_subword_prefix", "end_of_word_suffix")
        is_plain = model["type"] == "BPE" and not any(map(model.get, special))
        is_ours = is_plain and self._split is pretokens.QWEN2_SPLITTER
        return reach.table(self._bytes) if is_ours else None

    @cached_property
    def _words(self) -> Words:
        alone = self._reach is not None and [t for t in self._bytes if BETWEEN in t] == [BETWEEN]
        return Words(self._core, joined=alone)

    def token(self, text: str) -> int | None:
        """The id of a token by its text, such as `<|im_end|>`; None if there is none."""
        return self._core.token_to_id(text)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, special tokens included."""
        return len(self._bytes)

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
        turns = [self.special[text] for text in TURN_ENDS if text in self.special]
        return list(dict.fromkeys([self._special_id("eos_token"), *turns]))

    @cached_property
    def unknown_id(self) -> int | None:
        """The token for what has none of its own; None where there is always one."""
        return None if self.lossless else self._special_id("unk_token")

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
        added = self._core.get_added_tokens_decoder()
        table = [b""] * (max(vocab.values(), default=-1) + 1)
        spelled = bytes_of if self.lossless else _spaced
        for piece, number in vocab.items():
            if number not in added:
                table[number] = spelled(piece)
            elif not added[number].special:
                table[number] = piece.encode()
        return table

    def _chat_template(self) -> str | None:
        """The Jinja template for conversations, if there is one."""
        if "chat_template.jinja" in self.contents:  # the file wins over the key
            return self._read("chat_template.jinja", str)
        template = self.config.get("chat_template")
        return template if isinstance(template, str) else None

    def _read(self, name: str, parse: Callable[[str], T]) -> T:
        if name not in self.contents:
            raise DataError(f"a tokenizer needs {name}")
        try:
            return parse(self.contents[name].decode())
        except Exception as error:  # tokenizers raises bare Exception
            raise DataError(f"{self._name(name)} cannot be read: {error}") from None

    def _name(self, name: str) -> str:
        return name if self._folder is None else str(self._folder / name)


def check_encodable(texts: Iterable[str]) -> None:
    """Refuse text that UTF-8 cannot say.

    Raises:
        DataError: there is half of a surrogate pair; the message shows where.
    """
    for text in texts:
        try:
            str.encode(text)
        except UnicodeEncodeError as error:
            shown = ascii(text[max(0, error.start - 30) : error.start + 30])
            raise DataError("text holds half of a surrogate pair", got=shown) from None


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("it is not a JSON object")
    return value


def _spaced(piece: str) -> bytes:
    """A WordPiece as it is written after another one.

    >>> _spaced("moon"), _spaced("##light"), _spaced(","), _spaced("月").decode()
    (b' moon', b'light', b',', '月')
    """
    if piece.startswith("##") and len(piece) > 2:
        return piece[2:].encode()
    joins = piece in ".,;:!?)]}'" or (len(piece) == 1 and ord(piece) >= 0x2E80)
    return piece.encode() if joins else f" {piece}".encode()
