"""A tokenizer: Hugging Face's `tokenizer.json` and what Danlu needs to know about it.

Notable choices: `tokenizer.json` alone says how text is encoded, whatever class a configuration
names (for Llama's, transformers 5 builds another pre-tokenizer, so that a space at the beginning of
a text gets lost); text is never parsed for special tokens (a user who types `<|im_end|>` gets those
ten characters), so control ids only come from code; BOS sits in the post-processor of
`tokenizer.json`, because transformers 5 ignores `add_bos_token`; the class is written as
`PreTrainedTokenizerFast`, which transformers 4 and 5 load without swapping the pre-tokenizer; what
is read are the spellings in `spelling`, and `losses` says of each what does not come back; batches
look words up that were encoded before, where it is known how words are cut (`pretokens`).
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

from danlu.errors import DataError
from danlu.tokenizer import pretokens, reach
from danlu.tokenizer.controls import Controls, unreachable
from danlu.tokenizer.folder import read, write
from danlu.tokenizer.losses import complete, losses
from danlu.tokenizer.prefix import prefix, without
from danlu.tokenizer.spelling import spelling
from danlu.tokenizer.words import BETWEEN, Words

T = TypeVar("T")


class Tokenizer:
    """Encodes text to ids and decodes ids to text.

    `contents` are the bytes of its files, by name: what is saved is what was loaded or trained.
    """

    def __init__(self, contents: Mapping[str, bytes], *, folder: Path | None = None) -> None:
        self.contents, self._folder = dict(contents), folder
        self._core = core = self._read("tokenizer.json", tokenizers.Tokenizer.from_str)
        self.config: dict[str, Any] = self._read("tokenizer_config.json", _object)
        self.chat_template = self._chat_template()
        self.controls = Controls(core, self.config)
        found = spelling(core)
        if found is None:
            raise DataError(
                f"{self._name('tokenizer.json')} spells its pieces in a way that is not known",
                got=f"decoder {core.decoder!r}",
                expected="a ByteLevel decoder, as those of GPT-2, Llama 3 and Qwen; one that turns "
                "▁ into spaces, as those of Llama 2, Gemma and T5; or BERT's",
            )
        self.spelling, self.prefix = found, prefix(core)
        self.losses = losses(core, found)
        """What a text loses on its way to ids and back, in words."""
        self._encoder = self._encoding(core)

    @classmethod
    def load(cls, folder: Path) -> Tokenizer:
        """A tokenizer from a folder: one of `danlu tokenizer`, or any model folder.

        Raises:
            DataError: a file is missing or broken.
        """
        return cls(read(folder), folder=folder)

    def save(self, folder: Path) -> None:
        """Write the files; equal ones are left alone.

        Raises:
            ConfigError: another tokenizer is there.
        """
        write(folder, self.contents)

    @property
    def lossless(self) -> bool:
        """Whether every text comes back to the byte."""
        return not self.losses

    def encode(self, text: str, *, inside: bool = False) -> list[int]:
        """Ids of a text, without BOS; special tokens in it are plain text.

        Args:
            text: what to encode.
            inside: it goes on with another text, so no space is put before it; see `prefix`.

        Raises:
            DataError: it holds half of a surrogate pair, which no encoding can say.
        """
        encoder = self._inside if inside else self._encoder
        try:
            return encoder.encode(text, add_special_tokens=False).ids
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
        encodings = self._encoder.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, np.uint32) for encoding in encodings]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of ids; special tokens are left out, bytes that are no UTF-8 become U+FFFD."""
        data = list(filter(None, map(self.token_bytes, ids)))
        data[:1] = map(self.spelling.opened, data[:1])
        return b"".join(data).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        """The bytes that a token stands for inside a text; empty for special and unknown tokens.

        At the beginning of a text the first bytes go through `spelling.opened`.
        WordPiece: with a space before what begins a word, unless it is punctuation or Chinese.
        """
        return self._bytes[token] if 0 <= token < len(self._bytes) else b""

    def begins(self, before: Sequence[int]) -> bool:
        """Whether what follows these ids is encoded as a text begins: with a space put before it.

        That is so at the very beginning, and for most families behind special tokens; see `prefix`.
        """
        behind = bool(before) and before[-1] in self.controls.ids.values()
        return not before or (behind and self.prefix != "first")

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
        return Words(self._encoder, joined=alone)

    def token(self, text: str) -> int | None:
        """The id of a token by its text, such as `<|im_end|>`; None if there is none."""
        return self._core.token_to_id(text)

    @property
    def vocab_size(self) -> int:
        """One more than the largest id, special tokens included."""
        return len(self._bytes)

    @property
    def special(self) -> dict[str, int]:
        """Special tokens and their ids."""
        return self.controls.ids

    @property
    def bos_id(self) -> int:
        """The token that begins a document; where a family has none, the one between documents."""
        return self.controls.begin

    @cached_property
    def pad_id(self) -> int:
        """The token that fills a row, never trained; without one, any will do: unknown, or end."""
        return self.controls.first("pad_token", "unk_token", "eos_token")

    @property
    def eos_ids(self) -> list[int]:
        """Tokens that end a text: the end of a document first, then the end of a turn."""
        return self.controls.ends

    @cached_property
    def unknown_id(self) -> int | None:
        """The token for what has none of its own; None where there is always one."""
        return None if complete(self._core, self.spelling) else self.controls.named("unk_token")

    @cached_property
    def sha256(self) -> str:
        """Hash of `tokenizer.json`: two tokenizers with the same hash give the same ids."""
        import hashlib

        return hashlib.sha256(self.contents["tokenizer.json"]).hexdigest()

    def _encoding(self, core: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
        """What encodes: text is not looked through for special tokens."""
        if type(core.model).__name__ == "Unigram":
            core = unreachable(self.contents["tokenizer.json"].decode())
        return _whole(core)

    @cached_property
    def _inside(self) -> tokenizers.Tokenizer:
        """What encodes the inside of a text."""
        if not self.prefix:
            return self._encoder
        return _whole(without(self._encoder.to_str()))

    @cached_property
    def _bytes(self) -> list[bytes]:
        vocab = self._core.get_vocab(with_added_tokens=True)
        added = self._core.get_added_tokens_decoder()
        table = [b""] * (max(vocab.values(), default=-1) + 1)
        for piece, number in vocab.items():
            if number not in added:
                table[number] = self.spelling.spelled(piece)
            elif not added[number].special:
                table[number] = self.spelling.added(piece)
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


def _whole(core: tokenizers.Tokenizer) -> tokenizers.Tokenizer:
    """Set to encode all of a text, as text: BERT's file asks for the first 512 tokens."""
    core.encode_special_tokens = True
    core.no_truncation()
    core.no_padding()
    return core


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
