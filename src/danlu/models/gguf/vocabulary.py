"""A GGUF file's tokens as Hugging Face's tokenizer files.

Two kinds of vocabulary are read. `gpt2` is byte-level BPE: merges are in the file, and the way text
is cut is named. `llama` is SentencePiece's BPE, without merges: a pair may be joined if the
whole is a token, best score first, so the merges are all splits of all tokens in that order
(Gemma's scores say nothing, its tokens are in order).

Control tokens are never the outcome of a merge here: what people write cannot become one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import tokenizers

from danlu import discover, files
from danlu.errors import ModelError
from danlu.models.gguf import pretokenizers
from danlu.models.gguf.header import Header
from danlu.models.gguf.pretokenizers import Cut
from danlu.tokenizer.bytelevel import BYTE_OF, spelled

Json = dict[str, Any]

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)
"""What a token is, by llama.cpp's numbers."""

SPACE = "▁"
FILLER = re.compile(r"\[PAD\d+\]")
"""What the converter calls rows of the embedding that no token has."""

IDS = {"bos": "bos", "eos": "eos", "unk": "unknown", "pad": "padding"}
TURN_ENDS = ("eot", "eom")
"""More tokens that end an answer: of a turn, of a message."""


@dataclass(frozen=True)
class Vocabulary:
    """The tokens of a file, checked."""

    header: Header
    kind: str
    tokens: list[str]
    types: list[int]

    @cached_property
    def ids(self) -> dict[str, int]:
        """Ids of the special tokens that the file names, by `bos`, `eos`, `unk`, `pad`."""
        found = {name: self._id(key) for name, key in IDS.items()}
        return {name: number for name, number in found.items() if number is not None}

    @cached_property
    def ends(self) -> list[int]:
        """Tokens that end an answer."""
        found = [self.ids.get("eos"), *map(self._id, TURN_ENDS)]
        return list(dict.fromkeys(number for number in found if number is not None))

    def _id(self, key: str) -> int | None:
        name = f"tokenizer.ggml.{key}_token_id"
        value = self.header.metadata.get(name)
        if value is None or value == 0xFFFF_FFFF:  # both mean that there is none
            return None
        if type(value) is not int or not 0 <= value < len(self.tokens):
            raise _wrong(self.header, name, value, f"one of {len(self.tokens):,} tokens")
        return value

    def flag(self, key: str, default: bool) -> bool:
        """A truth value under `tokenizer.ggml.`."""
        value = self.header.metadata.get(f"tokenizer.ggml.{key}", default)
        if not isinstance(value, bool):
            raise _wrong(self.header, f"tokenizer.ggml.{key}", value, "true or false")
        return value


def read(header: Header, rows: int) -> Vocabulary:
    """The vocabulary of a file whose embedding has so many rows.

    Raises:
        ModelError: it is missing, of a kind that is not read, or does not fit.
    """
    data = header.metadata
    kind, tokens = data.get("tokenizer.ggml.model"), data.get("tokenizer.ggml.tokens")
    if kind not in ("gpt2", "llama"):
        expected = "gpt2 (byte-level BPE) or llama (SentencePiece BPE)"
        raise _wrong(header, "tokenizer.ggml.model", kind, expected)
    if not isinstance(tokens, list) or not 0 < len(tokens) <= rows:
        got = f"{len(tokens):,}" if isinstance(tokens, list) else None
        raise _wrong(header, "tokenizer.ggml.tokens", got, f"1 to {rows:,} tokens")
    types = data.get("tokenizer.ggml.token_type", np.full(len(tokens), NORMAL))
    if not _numbers(types, len(tokens)) or not set(types.tolist()) <= set(range(7)):
        expected = f"{len(tokens):,} numbers from 0 to 6"
        raise _wrong(header, "tokenizer.ggml.token_type", _size(types), expected)
    return Vocabulary(header, str(kind), tokens, types.tolist())


def tokenizer_files(vocabulary: Vocabulary, *, max_len: int) -> dict[str, bytes]:
    """tokenizer.json, tokenizer_config.json and, if there is one, chat_template.jinja.

    Raises:
        ModelError: tokens contradict each other, or text is cut in a way that is not known.
    """
    core = _byte_level(vocabulary) if vocabulary.kind == "gpt2" else _sentencepiece(vocabulary)
    text = files.json_bytes(core)
    _check(vocabulary, text, core["added_tokens"])
    named = {f"{name}_token": vocabulary.tokens[n] for name, n in vocabulary.ids.items()}
    config: Json = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        **named,
        "model_max_length": max_len,
        "clean_up_tokenization_spaces": False,
        "padding_side": "left",
    }
    made = {"tokenizer.json": text}
    template = vocabulary.header.metadata.get("tokenizer.chat_template")
    if isinstance(template, str):
        config["chat_template"] = template
        made["chat_template.jinja"] = template.encode()
    made["tokenizer_config.json"] = files.json_bytes(config)
    return made


def _byte_level(vocabulary: Vocabulary) -> Json:
    cut = _cut(vocabulary.header)
    table: dict[str, int] = {}
    for number, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.types, strict=True)):
        if kind == UNUSED and FILLER.fullmatch(token):
            continue
        as_it_is = kind in (CONTROL, USER) or BYTE_OF.keys() >= set(token)
        _add(vocabulary, table, token if as_it_is else spelled(token), number)
    return _core(
        vocabulary,
        table,
        _listed_merges(vocabulary.header, table, _control(vocabulary)),
        bos=cut.bos,
        pre_tokenizer=cut.pre_tokenizer,
        decoder=_byte_decoder(),
        ignore_merges=cut.whole_words,
    )


def _byte_decoder() -> Json:
    parts = {"add_prefix_space": True, "trim_offsets": True, "use_regex": True}
    return {"type": "ByteLevel", **parts}


def _cut(header: Header) -> Cut:
    """How text is cut; GPT-2's own files are older than the key."""
    name = header.metadata.get("tokenizer.ggml.pre")
    if name is None and header.metadata.get("general.architecture") == "gpt2":
        name = "gpt-2"
    if not isinstance(name, str) or name not in pretokenizers.CUTS:
        near = discover.nearest(name, pretokenizers.CUTS) if isinstance(name, str) else None
        raise ModelError(
            f"{header.path} does not say how its tokenizer cuts text, or in a way that is unknown",
            got=f"tokenizer.ggml.pre = {name!r}",
            expected=", ".join(sorted(pretokenizers.CUTS)),
            fix=f"nearest: {near}" if near else "convert the model with a current llama.cpp",
        )
    return pretokenizers.CUTS[name]


def _listed_merges(header: Header, table: dict[str, int], control: set[str]) -> list[list[str]]:
    key = "tokenizer.ggml.merges"
    lines = header.metadata.get(key)
    if not isinstance(lines, list):
        raise _wrong(header, key, _size(lines), "pairs of tokens")
    merges = []
    for line in lines:
        left, space, right = line[:1] + line[1:].partition(" ")[0], *line[1:].partition(" ")[1:]
        if not space or not {left, right, left + right} <= table.keys():
            raise _wrong(header, key, line, "two tokens that together are a token")
        if left + right not in control:
            merges.append([left, right])
    return merges


def _sentencepiece(vocabulary: Vocabulary) -> Json:
    gemma = str(vocabulary.header.metadata.get("general.architecture")).startswith("gemma")
    table: dict[str, int] = {}
    for number, token in enumerate(vocabulary.tokens):
        if vocabulary.types[number] == UNUSED and FILLER.fullmatch(token):
            continue
        blank = gemma and len(token) > 1 and not token.strip(" ")
        _add(vocabulary, table, SPACE * len(token) if blank else token, number)
    space_first = vocabulary.flag("add_space_prefix", not gemma) and not gemma
    return _core(
        vocabulary,
        table,
        _implied_merges(vocabulary, table, by_order=gemma),
        bos=True,
        normalizer=_replaced(" ", SPACE) if gemma else None,
        pre_tokenizer=_between_spaces() if gemma else _metaspace(space_first),
        decoder=_space_decoder(space_first),
        unk_token=vocabulary.tokens[vocabulary.ids["unk"]] if "unk" in vocabulary.ids else None,
        fuse_unk=True,
        byte_fallback=True,
    )


def _replaced(what: str, by: str) -> Json:
    return {"type": "Replace", "pattern": {"String": what}, "content": by}


def _between_spaces() -> Json:
    pattern = {"String": " "}
    return {"type": "Split", "pattern": pattern, "behavior": "MergedWithPrevious", "invert": False}


def _metaspace(space_first: bool) -> Json:
    scheme = "first" if space_first else "never"
    return {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": False}


def _space_decoder(space_first: bool) -> Json:
    steps = [_replaced(SPACE, " "), {"type": "ByteFallback"}, {"type": "Fuse"}]
    if space_first:
        steps.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    return {"type": "Sequence", "decoders": steps}


def _implied_merges(
    vocabulary: Vocabulary, table: dict[str, int], *, by_order: bool
) -> list[list[str]]:
    """All splits of all tokens into two tokens; the best token's first, then the longest left."""
    key = "tokenizer.ggml.scores"
    scores = vocabulary.header.metadata.get(key)
    if by_order:
        scores = -np.arange(len(vocabulary.tokens))
    if not _numbers(scores, len(vocabulary.tokens)) or not np.isfinite(scores).all():
        expected = f"{len(vocabulary.tokens):,} numbers"
        raise _wrong(vocabulary.header, key, _size(scores), expected)
    found = []
    for whole, number in table.items():
        if vocabulary.types[number] in (UNKNOWN, CONTROL, UNUSED, BYTE):
            continue
        for at in range(1, len(whole)):
            if whole[:at] in table and whole[at:] in table:
                found.append((-float(scores[number]), -at, at - len(whole), whole[:at], whole[at:]))
    found.sort(key=lambda split: split[:3])
    return [[left, right] for *_, left, right in found]


def _core(
    vocabulary: Vocabulary, table: dict[str, int], merges: list[list[str]], *, bos: bool, **own: Any
) -> Json:
    """A whole tokenizer.json."""
    pipeline = ("normalizer", "pre_tokenizer", "decoder")
    model = {
        "type": "BPE",
        "dropout": None,
        "unk_token": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": False,
        **{key: value for key, value in own.items() if key not in pipeline},
        "vocab": table,
        "merges": merges,
    }
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": _added_tokens(vocabulary, table),
        "normalizer": own.get("normalizer"),
        "pre_tokenizer": own["pre_tokenizer"],
        "post_processor": _post_processor(vocabulary, bos),
        "decoder": own["decoder"],
        "model": model,
    }


def _added_tokens(vocabulary: Vocabulary, table: dict[str, int]) -> list[Json]:
    """Tokens that are found whole: control tokens, those the file names, and the user's."""
    special = {*vocabulary.ids.values(), *vocabulary.ends}
    added = []
    for number, (token, kind) in enumerate(zip(vocabulary.tokens, vocabulary.types, strict=True)):
        is_special = kind == CONTROL or number in special
        if (is_special or kind == USER) and table.get(token) == number:
            where = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
            added.append({"id": number, "content": token, **where, "special": is_special})
    return added


def _post_processor(vocabulary: Vocabulary, bos: bool) -> Json | None:
    """What puts BOS before a text and EOS after it, if the file wants them."""
    ids = vocabulary.ids
    first = vocabulary.flag("add_bos_token", bos) and "bos" in ids
    last = vocabulary.flag("add_eos_token", False) and "eos" in ids
    if not first and not last:
        return None
    before = [_special(vocabulary, ids["bos"])] if first else []
    after = [_special(vocabulary, ids["eos"])] if last else []
    used = sorted({ids[name] for name, is_used in (("bos", first), ("eos", last)) if is_used})
    names = [vocabulary.tokens[number] for number in used]

    def around(*texts: str) -> list[Json]:
        parts = ([*before, {"Sequence": {"id": text, "type_id": 0}}, *after] for text in texts)
        return [piece for part in parts for piece in part]

    return {
        "type": "TemplateProcessing",
        "single": around("A"),
        "pair": around("A", "B"),
        "special_tokens": {
            name: {"id": name, "ids": [number], "tokens": [name]}
            for name, number in zip(names, used, strict=True)
        },
    }


def _special(vocabulary: Vocabulary, number: int) -> Json:
    return {"SpecialToken": {"id": vocabulary.tokens[number], "type_id": 0}}


def _control(vocabulary: Vocabulary) -> set[str]:
    """Tokens that text may never become."""
    pairs = zip(vocabulary.tokens, vocabulary.types, strict=True)
    named = {vocabulary.tokens[number] for number in (*vocabulary.ids.values(), *vocabulary.ends)}
    return {token for token, kind in pairs if kind == CONTROL} | named


def _add(vocabulary: Vocabulary, table: dict[str, int], token: str, number: int) -> None:
    if token in table:
        raise ModelError(
            f"{vocabulary.header.path} has a token twice",
            got=f"{token!r}, as {table[token]} and as {number}",
            fix="convert the model again with a current llama.cpp",
        )
    table[token] = number


def _check(vocabulary: Vocabulary, text: bytes, added: Iterable[Json]) -> None:
    """Read what was made as its readers will."""
    try:
        core = tokenizers.Tokenizer.from_str(text.decode())
    except Exception as error:  # tokenizers raises bare Exception
        raise ModelError(
            f"{vocabulary.header.path} has tokens that are no tokenizer: {error}"
        ) from None
    for token in added:
        if core.token_to_id(token["content"]) != token["id"]:
            raise ModelError(
                f"{vocabulary.header.path} has a token that would get another id",
                got=f"{token['content']!r}: {core.token_to_id(token['content'])}",
                expected=str(token["id"]),
            )


def _numbers(value: Any, length: int) -> bool:
    return isinstance(value, np.ndarray) and len(value) == length


def _size(value: Any) -> str | None:
    is_list = isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)
    return f"{len(value):,} entries" if is_list else value


def _wrong(header: Header, key: str, got: object, expected: str) -> ModelError:
    what = "is missing from" if got is None else "cannot be used in"
    return ModelError(f"{key} {what} {header.path}", got=got, expected=expected)
