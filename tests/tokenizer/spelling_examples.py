"""Small tokenizers of each family, in the structure of the real files; only the pieces differ."""

from __future__ import annotations

import json
import struct
from functools import cache
from typing import Any

from tokenizer_examples import MORE, contents
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

GPT4 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
BYTES = [f"<0x{byte:02X}>" for byte in range(256)]
CHINESE = ["床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。", "今天天气很好，我们去公园玩。"] * 20
TEXTS = [*MORE, *CHINESE]


def _special(*names: str, **marks: bool) -> list[AddedToken]:
    return [AddedToken(name, special=True, normalized=False, **marks) for name in names]


def _config(tokenizer_class: str, /, **named: Any) -> dict[str, Any]:
    keys = ("bos", "eos", "pad", "unk", "cls", "sep", "mask")
    tokens = {f"{k}_token": named.pop(k) for k in keys if k in named}
    return {
        "tokenizer_class": tokenizer_class,
        "clean_up_tokenization_spaces": False,
        **tokens,
        **named,
    }


def _template(begin: str, end: str, core: Tokenizer) -> processors.TemplateProcessing:
    names = [name for name in (begin, end) if name]
    return processors.TemplateProcessing(
        single=f"{begin} $A {end}".strip(),
        special_tokens=[(name, core.token_to_id(name)) for name in names],
    )


# ---- byte-level


def _byte_level(special: list[str], cut: Any, normalizer: Any = None) -> Tokenizer:
    core = Tokenizer(models.BPE())
    core.normalizer, core.pre_tokenizer = normalizer, cut
    core.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=_special(*special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    core.train_from_iterator(TEXTS, trainer)
    core.post_processor = processors.ByteLevel(trim_offsets=False)
    return core


def _split(pattern: str) -> Any:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


def gpt2() -> tuple[Tokenizer, dict[str, Any]]:
    core = _byte_level(["<|endoftext|>"], pre_tokenizers.ByteLevel(add_prefix_space=False))
    end = "<|endoftext|>"
    return core, _config("GPT2Tokenizer", bos=end, eos=end, unk=end)


def llama3() -> tuple[Tokenizer, dict[str, Any]]:
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>"]
    core = _byte_level([*names, "<|eot_id|>"], _split(GPT4))
    value = json.loads(core.to_str())
    value["model"]["ignore_merges"] = True
    core = Tokenizer.from_str(json.dumps(value))
    core.post_processor = processors.Sequence(
        [processors.ByteLevel(trim_offsets=True), _template(names[0], "", core)]
    )
    return core, _config("PreTrainedTokenizerFast", bos=names[0], eos=names[1])


def qwen2() -> tuple[Tokenizer, dict[str, Any]]:
    cut = _split(GPT4.replace("{1,3}", ""))
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    core = _byte_level(names, cut, normalizers.NFC())
    core.add_tokens([AddedToken("<tool_call>", normalized=False), AddedToken("</think>")])
    return core, _config("Qwen2Tokenizer", bos=None, eos="<|im_end|>", pad="<|endoftext|>")


def gpt_neox() -> tuple[Tokenizer, dict[str, Any]]:
    core = _byte_level(
        ["<|endoftext|>", "<|padding|>"],
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        normalizers.NFC(),
    )
    core.add_tokens([AddedToken(" " * n, normalized=True) for n in (24, 3, 2)])
    end = "<|endoftext|>"
    return core, _config("GPTNeoXTokenizer", bos=end, eos=end, unk=end)


def modernbert() -> tuple[Tokenizer, dict[str, Any]]:
    core = _byte_level(
        ["<|padding|>", "<|endoftext|>", "[UNK]", "[CLS]", "[SEP]", "[PAD]"],
        pre_tokenizers.ByteLevel(add_prefix_space=False),
        normalizers.NFC(),
    )
    core.add_special_tokens(_special("[MASK]", lstrip=True))
    core.post_processor = _template("[CLS]", "[SEP]", core)
    named = {"cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "unk": "[UNK]", "mask": "[MASK]"}
    return core, _config("PreTrainedTokenizerFast", **named)


def roberta() -> tuple[Tokenizer, dict[str, Any]]:
    names = ["<s>", "<pad>", "</s>", "<unk>"]
    core = _byte_level(names, pre_tokenizers.ByteLevel(add_prefix_space=False))
    core.add_special_tokens(_special("<mask>", lstrip=True))
    core.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), True, False)
    named = {"bos": "<s>", "eos": "</s>", "cls": "<s>", "sep": "</s>", "pad": "<pad>"}
    return core, _config("RobertaTokenizer", **named, unk="<unk>", mask="<mask>")


# ---- metaspace


@cache
def _metaspace_pieces(special: tuple[str, ...], more: tuple[str, ...] = ()) -> tuple[Any, Any]:
    """Vocabulary and merges as SentencePiece has them: controls, bytes, pieces."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=500, special_tokens=[*special, *BYTES, *more], show_progress=False
    )
    core.train_from_iterator(TEXTS, trainer)
    model = json.loads(core.to_str())["model"]
    rare = {"龘", "é"}  # so that bytes are needed for some characters of the text
    merges = [(a, b) for a, b in model["merges"] if not rare & {*a, *b}]
    runs = [("▁" * n, "▁" * n) for n in (1, 2, 4)]
    vocab = dict(model["vocab"])
    for left, right in runs:
        vocab.setdefault(left + right, len(vocab))
    return vocab, [*merges, *(run for run in runs if run not in merges)]


def _metaspace(special: list[str], **settings: Any) -> Tokenizer:
    vocab, merges = _metaspace_pieces(tuple(special))
    core = Tokenizer(
        models.BPE(vocab, merges, byte_fallback=True, fuse_unk=True, unk_token="<unk>", **settings)
    )
    core.add_special_tokens(_special(*special))
    return core


def _undone(strip: bool) -> Any:
    steps = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    return decoders.Sequence([*steps, *([decoders.Strip(" ", 1, 0)] if strip else [])])


def llama2() -> tuple[Tokenizer, dict[str, Any]]:
    """Llama 1 and 2, Mistral 7B and Mixtral, as their files are; also TinyLlama."""
    core = _metaspace(["<unk>", "<s>", "</s>"])
    core.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    core.decoder, core.post_processor = _undone(True), _template("<s>", "", core)
    named = {"bos": "<s>", "eos": "</s>", "unk": "<unk>"}
    return core, _config("PreTrainedTokenizerFast", **named)


def llama2_new() -> tuple[Tokenizer, dict[str, Any]]:
    """Llama 2 as transformers 5 writes it, and Mistral 7B since its version 0.3."""
    core = _metaspace(["<unk>", "<s>", "</s>"])
    core.pre_tokenizer = pre_tokenizers.Metaspace("▁", "first", split=False)
    core.decoder, core.post_processor = _undone(True), _template("<s>", "", core)
    return core, _config("LlamaTokenizer", bos="<s>", eos="</s>", unk="<unk>")


def phi3() -> tuple[Tokenizer, dict[str, Any]]:
    core, config = llama2()
    names = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    core.add_special_tokens(_special(names[0]))
    core.add_special_tokens(_special(*names[1:], rstrip=True))
    core.post_processor = processors.TemplateProcessing(single="$A")
    return core, {**config, "eos_token": names[0], "pad_token": names[0]}


def gemma() -> tuple[Tokenizer, dict[str, Any]]:
    core = _metaspace(["<pad>", "<eos>", "<bos>", "<unk>", "<mask>"])
    core.add_special_tokens(_special("<start_of_turn>", "<end_of_turn>"))
    core.add_tokens([AddedToken(t, normalized=False) for t in ("\n\n", "\n", "▁▁▁▁", "<table>")])
    core.normalizer = normalizers.Replace(" ", "▁")
    core.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    core.decoder, core.post_processor = _undone(False), _template("<bos>", "", core)
    named = {"bos": "<bos>", "eos": "<eos>", "pad": "<pad>", "unk": "<unk>", "mask": "<mask>"}
    return core, _config("GemmaTokenizer", **named)


# ---- unigram


def t5() -> tuple[Tokenizer, dict[str, Any]]:
    core = Tokenizer(models.Unigram())
    core.normalizer = normalizers.Precompiled(charsmap(REWRITTEN))
    core.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", "always")]
    )
    core.decoder = decoders.Metaspace("▁", "always")
    names = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(
        vocab_size=500, special_tokens=names, unk_token="<unk>", show_progress=False
    )
    core.train_from_iterator([text.replace("<", "") for text in TEXTS], trainer)
    value = json.loads(core.to_str())
    extra = [f"<extra_id_{n}>" for n in range(9, -1, -1)]
    value["model"]["vocab"] += [[name, 0.0] for name in extra]
    core = Tokenizer.from_str(json.dumps(value))
    core.add_special_tokens(_special(*names, *extra))
    core.post_processor = _template("", "</s>", core)
    return core, _config(
        "T5Tokenizer",
        eos="</s>",
        pad="<pad>",
        unk="<unk>",
        extra_ids=10,
        extra_special_tokens=extra,
    )


REWRITTEN = {
    **{chr(c): chr(c - 0xFEE0) for c in range(0xFF01, 0xFF5F)},
    **dict.fromkeys("\t\n\r\xa0\u3000\u2028", " "),
    **{"ﬁ": "fi", "Ⅷ": "VIII", "e\u0301": "é", "\x07": "", "\x7f": "", "\ufeff": "", "…": "..."},
}
"""A little of NFKC, as SentencePiece's `nmt_nfkc` has it."""


def charsmap(rules: dict[str, str]) -> bytes:
    """SentencePiece's precompiled table: a double array over the bytes, then the texts."""
    texts, values = b"", {}
    for key, text in rules.items():
        values[key.encode()] = len(texts)
        texts += text.encode() + b"\0"
    nodes = sorted({key[:n] for key in values for n in range(len(key) + 1)})
    bases = {node: 256 * (number + 1) for number, node in enumerate(nodes)}  # sparse, no collisions
    units = [0] * (256 * (len(nodes) + 1))
    units[0] = bases[b""] << 10
    for node in nodes[1:]:
        place = bases[node[:-1]] ^ node[-1]
        units[place] = (place ^ bases[node]) << 10 | (node in values) << 8 | node[-1]
        if node in values:
            units[bases[node]] = values[node] | 1 << 31
    trie = struct.pack(f"<{len(units)}I", *units)
    return struct.pack("<I", len(trie)) + trie + texts


# ---- WordPiece


def bert(lowercase: bool = True) -> tuple[Tokenizer, dict[str, Any]]:
    core = Tokenizer(models.WordPiece({}, unk_token="[UNK]"))
    core.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    core.pre_tokenizer, core.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(
        vocab_size=500, special_tokens=_special(*names), show_progress=False
    )
    core.train_from_iterator(TEXTS, trainer)
    core.post_processor = _template("[CLS]", "[SEP]", core)
    core.enable_truncation(8)
    named = dict(zip(("pad", "unk", "cls", "sep", "mask"), names, strict=True))
    return core, _config("BertTokenizer", **named, do_lower_case=lowercase)


def bert_cased() -> tuple[Tokenizer, dict[str, Any]]:
    return bert(lowercase=False)


FAMILIES = {
    made.__name__: made
    for made in (
        *(gpt2, llama3, qwen2, gpt_neox, modernbert, roberta),
        *(llama2, llama2_new, phi3, gemma, t5, bert, bert_cased),
    )
}


@cache
def family(name: str) -> dict[str, bytes]:
    """The files of a family's tokenizer."""
    return contents(*FAMILIES[name]())
