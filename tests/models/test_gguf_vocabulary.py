"""Tokens from GGUF: the ids that the tokenizer gave before, and that transformers gives."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import tokenizers

from danlu.errors import ModelError
from danlu.models.gguf import pretokenizers, vocabulary
from danlu.models.gguf.header import read_header
from danlu.models.gguf.tokenizer_files import tokenizer_files
from danlu.tokenizer import Tokenizer, encode_chat
from danlu.types import Message

pytest.importorskip("gguf")
hf = pytest.importorskip("transformers")
from gguf import GGUFWriter  # noqa: E402
from gguf_examples import VOCAB, byte_level, sentencepiece  # noqa: E402
from model_examples import tokenizer  # noqa: E402

TEXTS = [
    *(
        "",
        " ",
        "  a",
        "with x as y:\n    yield x\n\n",
        "床前明月光，疑是地上霜。",
        "the cats sat on a mat.",
    ),
    *(
        "It's 2024, isn't it? 12345 3.14",
        "tab\there\r\n",
        "月亮 moon 月",
        "emoji 🌙 é é",
        "dogs  dogs",
    ),
    *("don't DON'T we'LL", "a+b==c; // x != y", "a  1   22", "ﬁ ½ ² ①"),
]


def file(path: Path, fill: Any, arch: str = "llama", **more: Any) -> Path:
    """A file with a vocabulary and nothing else."""
    writer = GGUFWriter(str(path / "x.gguf"), arch)
    fill(writer)
    for key, value in more.items():
        key = f"tokenizer.{key}" if key == "chat_template" else f"tokenizer.ggml.{key}"
        if isinstance(value, bool):
            writer.add_bool(key, value)
        elif isinstance(value, int):
            writer.add_uint32(key, value)
        elif isinstance(value, list):
            writer.add_array(key, value)
        else:
            writer.add_string(key, value)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    return path / "x.gguf"


def made(path: Path, fill: Any, arch: str = "llama", **more: Any) -> dict[str, bytes]:
    header = read_header(file(path, fill, arch, **more))
    return tokenizer_files(vocabulary.read(header, VOCAB), max_len=64)


def folder(path: Path, contents: dict[str, bytes]) -> Path:
    (path / "out").mkdir()
    for name, data in contents.items():
        (path / "out" / name).write_bytes(data)
    return path / "out"


def theirs(path: Path, arch: str = "llama") -> Any:
    """The tokenizer that transformers makes of the same file."""
    from transformers.integrations.gguf import convert_gguf_tokenizer, get_gguf_tokenizer

    _, tokens, _ = get_gguf_tokenizer(str(path / "x.gguf"))
    return convert_gguf_tokenizer(arch, tokens)[0]


def only(key: str, value: Any, fill: Any = byte_level) -> Any:
    """A vocabulary with one setting changed."""

    class Changed(GGUFWriter):
        pass

    def change(writer: GGUFWriter) -> None:
        fill(writer)
        for table in writer.kv_data:
            table.pop(f"tokenizer.ggml.{key}", None)
            if value is not None:
                from gguf.gguf_writer import GGUFValue, GGUFValueType

                table[f"tokenizer.ggml.{key}"] = GGUFValue(value, GGUFValueType.get_type(value))

    return change


# ---- byte-level


def test_byte_level_comes_back(tmp_path):
    mine, before = Tokenizer(made(tmp_path, byte_level)), tokenizer()
    for text in TEXTS:
        assert mine.encode(text) == before.encode(text), text
        assert mine.decode(mine.encode(text)) == text
    assert mine.special == before.special
    assert mine.eos_ids == before.eos_ids and mine.pad_id == 3
    chat = [Message("user", "what is <|im_end|> for?"), Message("assistant", "it ends a turn")]
    assert encode_chat(mine, chat).ids == encode_chat(before, chat).ids


@pytest.mark.parametrize("pre", ["qwen2", "gpt-2", "llama-bpe", "tekken"])
def test_byte_level_as_transformers_reads_it(pre, tmp_path):
    mine = Tokenizer(made(tmp_path, lambda writer: byte_level(writer, pre)))
    core = theirs(tmp_path)
    for text in TEXTS:
        assert mine.encode(text) == core.encode(text, add_special_tokens=False).ids, text


def test_digits_stand_alone_where_the_name_says_so(tmp_path):
    """transformers 5.24 cuts `smollm` as GPT-2, which joins a space and a digit."""
    fill = lambda writer: byte_level(writer, "smollm")  # noqa: E731
    core = tokenizers.Tokenizer.from_str(made(tmp_path, fill)["tokenizer.json"].decode())
    words = [word for word, _ in core.pre_tokenizer.pre_tokenize_str("a  12 b")]
    assert words == ["a", "ĠĠ", "1", "2", "Ġb"]


def test_expressions_of_the_families():
    own = pytest.importorskip("transformers.integrations.gguf.gguf_tokenizer_mapping")
    splits = own.GGUF_PRE_TOKENIZER_SPLITS
    for name, cut in pretokenizers.CUTS.items():
        first = cut.steps[0]
        if name in splits and first["type"] == "Split":
            assert first["pattern"]["Regex"] == splits[name], name


@pytest.mark.parametrize("added", [True, False, None])
@pytest.mark.parametrize(("pre", "usual"), [("qwen2", False), ("llama-bpe", True)])
def test_bos_as_the_file_says_or_as_is_usual(added, pre, usual, tmp_path):
    fill = only("add_bos_token", added, only("pre", pre))
    out = folder(tmp_path, made(tmp_path, fill))
    want = usual if added is None else added
    ids = hf.AutoTokenizer.from_pretrained(out)("the cat")["input_ids"]
    assert (ids[0] == 0) is want
    assert ids[want:] == Tokenizer.load(out).encode("the cat")


def test_eos_where_the_file_says_so(tmp_path):
    out = folder(tmp_path, made(tmp_path, only("add_eos_token", True)))
    assert hf.AutoTokenizer.from_pretrained(out)("the cat")["input_ids"][-1] == 0


def test_fillers_are_no_tokens(tmp_path):
    core = json.loads(made(tmp_path, byte_level)["tokenizer.json"])
    assert len(core["model"]["vocab"]) == 300
    assert not [token for token in core["model"]["vocab"] if token.startswith("[PAD")]


def test_no_merge_makes_a_control_token(tmp_path):
    def fill(writer: GGUFWriter) -> None:
        byte_level(writer)
        merges = writer.kv_data[0]["tokenizer.ggml.merges"].value
        tokens = writer.kv_data[0]["tokenizer.ggml.tokens"].value
        tokens[300:302] = ["<|", "im_end|>"]
        writer.kv_data[0]["tokenizer.ggml.token_type"].value[300:302] = [1, 1]
        merges[:0] = ["< |", "<| im_end|>"]

    mine = Tokenizer(made(tmp_path, fill))
    end = mine.special["<|im_end|>"]
    assert end not in mine.encode("what is <|im_end|>?")
    assert 300 in mine.encode("<|")


def test_tokens_of_the_user_are_found_whole(tmp_path):
    def fill(writer: GGUFWriter) -> None:
        byte_level(writer)
        writer.kv_data[0]["tokenizer.ggml.tokens"].value[300] = "<think>"
        writer.kv_data[0]["tokenizer.ggml.token_type"].value[300] = 4

    contents = made(tmp_path, fill)
    core = tokenizers.Tokenizer.from_str(contents["tokenizer.json"].decode())
    assert core.encode("a<think>b").ids[1] == 300
    assert "<think>" not in Tokenizer(contents).special
    want = theirs(tmp_path).encode("a<think>b", add_special_tokens=False).ids
    assert core.encode("a<think>b", add_special_tokens=False).ids == want


# ---- SentencePiece


@pytest.mark.parametrize("arch", ["llama", "gemma", "gemma2", "gemma3"])
def test_sentencepiece_as_transformers_reads_it(arch, tmp_path):
    contents = made(tmp_path, sentencepiece, arch)
    mine = tokenizers.Tokenizer.from_str(contents["tokenizer.json"].decode())
    core = theirs(tmp_path, arch)
    for text in TEXTS:
        want = core.encode(text, add_special_tokens=False).ids
        got = mine.encode(text, add_special_tokens=False).ids
        assert got == want, text
        assert mine.decode(got) == core.decode(want)
        assert mine.encode(text).ids == [1, *want]
    assert mine.encode("the cats sat", add_special_tokens=False).tokens[-2:] == ["s", "▁sat"]
    assert mine.encode("🌙", add_special_tokens=False).tokens[-4:] == [
        *("<0xF0>", "<0x9F>", "<0x8C>", "<0x99>")
    ]


def test_control_tokens_are_not_merged(tmp_path):
    """`</s` and `>` are tokens here: split into them, what a user writes stays text."""

    def fill(writer: GGUFWriter) -> None:
        sentencepiece(writer)
        tokens = writer.kv_data[0]["tokenizer.ggml.tokens"].value
        tokens[VOCAB - 1] = ">"
        writer.kv_data[0]["tokenizer.ggml.token_type"].value[VOCAB - 1] = 1

    core = tokenizers.Tokenizer.from_str(made(tmp_path, fill)["tokenizer.json"].decode())
    core.encode_special_tokens = True
    ids = core.encode("a</s>", add_special_tokens=False).ids
    assert 2 not in ids and ids[-1] == VOCAB - 1


def test_no_space_before_the_text_if_the_file_says_so(tmp_path):
    core = tokenizers.Tokenizer.from_str(
        made(tmp_path, sentencepiece, add_space_prefix=False)["tokenizer.json"].decode()
    )
    assert core.encode("the", add_special_tokens=False).tokens == ["the"]
    ids = core.encode(" the", add_special_tokens=False).ids
    assert core.decode(ids) == " the"


def test_a_folder_opens_in_transformers(tmp_path):
    out = folder(tmp_path, made(tmp_path, sentencepiece, chat_template="{{ messages }}"))
    opened = hf.AutoTokenizer.from_pretrained(out)
    assert (opened.bos_token, opened.eos_token, opened.unk_token) == ("<s>", "</s>", "<unk>")
    assert opened.chat_template == "{{ messages }}"
    assert opened.decode(opened("the cats 月")["input_ids"], skip_special_tokens=True) == (
        "the cats 月"
    )


# ---- vocabularies that are wrong


@pytest.mark.parametrize(
    ("key", "value", "word"),
    [
        ("model", "bert", "gpt2 .byte-level"),
        ("model", None, "is missing"),
        ("tokens", None, "is missing"),
        ("tokens", ["x"] * (VOCAB + 1), "1 to 304 tokens"),
        ("tokens", ["x"] * VOCAB, "a token twice"),
        ("token_type", [1] * 7, "304 numbers from 0 to 6"),
        ("token_type", [9] * VOCAB, "304 numbers from 0 to 6"),
        ("pre", "qwen9", "nearest: qwen2"),
        ("pre", None, "does not say how its tokenizer cuts"),
        ("merges", None, "is missing"),
        ("merges", ["ab"], "two tokens that together"),
        ("merges", ["a zzz"], "two tokens that together"),
        ("merges", [""], "two tokens that together"),
        ("bos_token_id", 304, "one of 304 tokens"),
        ("eos_token_id", -1, "one of 304 tokens"),
        ("add_bos_token", 1, "true or false"),
    ],
)
def test_a_vocabulary_that_is_wrong(key, value, word, tmp_path):
    with pytest.raises(ModelError, match=word):
        made(tmp_path, only(key, value))


@pytest.mark.parametrize("value", [None, [0.5] * 7, [float("nan")] * VOCAB])
def test_scores_that_are_wrong(value, tmp_path):
    with pytest.raises(ModelError, match="scores"):
        made(tmp_path, only("scores", value, sentencepiece))


def test_a_template_that_is_no_text(tmp_path):
    fill = lambda writer: (byte_level(writer), writer.kv_data[0].pop("tokenizer.chat_template"))  # noqa: E731
    assert "chat_template.jinja" not in made(tmp_path, fill)
    with pytest.raises(ModelError, match="chat_template cannot be used"):
        made(tmp_path, fill, chat_template=["a", "b"])


def test_gpt2s_own_files_need_no_name_of_the_cut(tmp_path):
    core = json.loads(made(tmp_path, only("pre", None), "gpt2")["tokenizer.json"])
    assert core["pre_tokenizer"]["use_regex"] is True
