"""A GGUF file's tokens as Hugging Face's tokenizer files.

`gpt2` becomes byte-level BPE. `llama` becomes BPE over text whose spaces are `▁`, with bytes for
what has no token; there are two forms of it, Llama's and Gemma's, which are those that
transformers makes of the models' own files.

Control tokens are never the outcome of a merge here: what people write cannot become one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import tokenizers

from danlu import discover, files
from danlu.errors import ModelError
from danlu.models.gguf import merges, pretokenizers
from danlu.models.gguf.header import Header
from danlu.models.gguf.pretokenizers import Cut
from danlu.models.gguf.vocabulary import CONTROL, UNUSED, USER, Vocabulary, wrong
from danlu.tokenizer.bytelevel import BYTE_OF, spelled

Json = dict[str, Any]

SPACE = "▁"
FILLER = re.compile(r"\[PAD\d+\]")
"""What the converter calls rows of the embedding that no token has."""


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
    key = "tokenizer.chat_template"
    template = vocabulary.header.metadata.get(key)
    if template is not None:
        if not isinstance(template, str):
            raise wrong(vocabulary.header, key, template, "a text")
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
        merges.listed(vocabulary, table),
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
        merges.implied(vocabulary, table, by_order=gemma),
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


def _core(
    vocabulary: Vocabulary, table: dict[str, int], pairs: list[list[str]], *, bos: bool, **own: Any
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
        "merges": pairs,
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
