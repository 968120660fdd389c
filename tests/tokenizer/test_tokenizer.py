"""Encoding and decoding: the same bytes back, no control token from text, clear refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tokenizers
from hypothesis import given
from tokenizer_examples import NASTY, TEXTS, contents, foreign, spiteful, trained, unicode
from tokenizers import decoders, models, pre_tokenizers

from danlu.errors import ConfigError, DataError
from danlu.tokenizer import Tokenizer
from danlu.tokenizer import folder as module
from danlu.tokenizer.bytelevel import BYTE_OF


@given(unicode | spiteful)
def test_any_text_comes_back_byte_for_byte(text):
    tokenizer = trained()
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert b"".join(map(tokenizer.token_bytes, ids)) == text.encode()
    assert not set(ids) & set(tokenizer.special.values()), "text made a control token"


def test_a_nasty_text_comes_back(tokenizer):
    assert tokenizer.decode(tokenizer.encode(NASTY)) == NASTY
    assert tokenizer.encode("") == []


@pytest.mark.parametrize("kind", ["llama3", "gemma", "mistral"])
def test_tokenizers_of_others_come_back_too(kind):
    tokenizer = foreign(kind)
    for text in [*TEXTS, NASTY, "a <think> so b", *tokenizer.special]:
        assert tokenizer.decode(tokenizer.encode(text)) == text


def test_a_batch_is_its_texts(tokenizer):
    texts = [*TEXTS, NASTY, ""]
    assert tokenizer.encode_batch(texts) == [tokenizer.encode(text) for text in texts]
    assert tokenizer.encode_batch([]) == []


def test_special_tokens_in_text_stay_text(tokenizer):
    assert len(tokenizer.special) == 9  # four with a meaning, 640 // 128 in reserve
    for text, number in tokenizer.special.items():
        assert number not in tokenizer.encode(text)
        assert number not in tokenizer.encode_batch([f"a{text}b"])[0]
        assert tokenizer.decode(tokenizer.encode(text)) == text
        assert tokenizer.decode([number]) == ""
        assert tokenizer.token_bytes(number) == b""
        assert tokenizer.token(text) == number


@pytest.mark.parametrize("text", ["\ud800", "fine, then \udfff", "x" * 500 + "\ud83d"])
def test_half_a_surrogate_pair_is_refused(tokenizer, text):
    for encode in (tokenizer.encode, lambda text: tokenizer.encode_batch(["good", text])):
        with pytest.raises(DataError, match="half of a surrogate pair") as caught:
            encode(text)
        assert "\\u" in str(caught.value)


def test_what_is_no_text_is_a_bug_of_the_caller(tokenizer):
    with pytest.raises(TypeError):
        tokenizer.encode(None)


def test_broken_bytes_are_shown_as_such(tokenizer):
    first = tokenizer.encode("床")[0]
    assert tokenizer.decode([first]) in ("床", "\ufffd")
    assert tokenizer.decode([tokenizer.token(char) for char in ("å",)]) == "\ufffd"
    assert tokenizer.token_bytes(-1) == tokenizer.token_bytes(10**6) == b""


def test_its_named_tokens(tokenizer):
    assert (tokenizer.bos_id, tokenizer.pad_id, tokenizer.eos_ids) == (0, 3, [0, 2])
    assert tokenizer.pad_id not in tokenizer.eos_ids
    assert tokenizer.token("<|no|>") is None
    assert tokenizer.vocab_size == 640
    assert len(tokenizer.sha256) == 64


@pytest.mark.parametrize(
    ("kind", "ends"),
    [
        ("llama3", ["<|end_of_text|>", "<|eot_id|>"]),
        ("gemma", ["<eos>", "<end_of_turn>"]),
        ("mistral", ["</s>"]),
    ],
)
def test_texts_of_other_families_end_at_their_turn_ends_too(kind, ends):
    tokenizer = foreign(kind)
    assert tokenizer.eos_ids == [tokenizer.special[text] for text in ends]


def test_a_token_that_the_tokenizer_lacks_is_named():
    tokenizer = foreign("llama3")
    config = {"eos_token": "<|missing|>"}
    other = Tokenizer({**tokenizer.contents, "tokenizer_config.json": json.dumps(config).encode()})
    with pytest.raises(DataError, match="no eos_token") as caught:
        _ = other.eos_ids
    assert "<|missing|>" in str(caught.value)


def test_holes_in_the_vocabulary_count():
    """Ids are indices: the embedding needs a row for the largest, however many there are."""
    core = tokenizers.Tokenizer(models.BPE({"a": 0, "b": 999}, []))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    tokenizer = Tokenizer(contents(core, {}))
    assert tokenizer.vocab_size == max(tokenizer.encode("b")) + 1 == 1000
    assert tokenizer.decode([0, 5, 999]) == "ab"


# ---- files


def test_saved_and_loaded_it_is_the_same(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    again = Tokenizer.load(tmp_path)
    assert again.contents == tokenizer.contents and again.sha256 == tokenizer.sha256
    assert again.encode(NASTY) == tokenizer.encode(NASTY)
    assert again.chat_template == tokenizer.chat_template
    before = {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()}
    tokenizer.save(tmp_path)
    assert {p.name: p.stat().st_mtime_ns for p in tmp_path.iterdir()} == before


def test_another_tokenizer_is_never_overwritten(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    with pytest.raises(ConfigError, match="holds another tokenizer"):
        foreign("gemma").save(tmp_path)
    assert Tokenizer.load(tmp_path).contents == tokenizer.contents


def test_a_template_that_lies_there_does_not_join_another_tokenizer(tokenizer, tmp_path):
    (tmp_path / "chat_template.jinja").write_text("other")
    with pytest.raises(ConfigError, match="holds another tokenizer"):
        foreign("gemma").save(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["chat_template.jinja"]


def test_the_template_file_wins_over_the_key(tokenizer):
    assert tokenizer.config["chat_template"] == tokenizer.chat_template
    changed = Tokenizer({**tokenizer.contents, "chat_template.jinja": b"{{ 1 }}"})
    assert changed.chat_template == "{{ 1 }}"
    only_key = dict(tokenizer.contents)
    del only_key["chat_template.jinja"]
    assert Tokenizer(only_key).chat_template == tokenizer.chat_template
    none = {**only_key, "tokenizer_config.json": b'{"chat_template": [{"name": "default"}]}'}
    assert Tokenizer(none).chat_template is None


def test_a_folder_without_a_tokenizer(tmp_path):
    with pytest.raises(DataError, match="has no tokenizer") as caught:
        Tokenizer.load(tmp_path)
    assert "tokenizer.json, tokenizer_config.json" in str(caught.value)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(DataError, match="has no tokenizer") as caught:
        Tokenizer.load(tmp_path)
    assert "no tokenizer_config.json" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("tokenizer.json", b""),
        ("tokenizer.json", b"{"),
        ("tokenizer.json", b"\xff\xfe"),
        ("tokenizer.json", b'{"model": {"type": "Unknown"}}'),
        ("tokenizer_config.json", b"[1, 2"),
        ("tokenizer_config.json", b"[1, 2]"),
        ("chat_template.jinja", b"\xff\xfe"),
    ],
)
def test_broken_files_are_named(tokenizer, tmp_path, name, data):
    tokenizer.save(tmp_path)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match="cannot be read") as caught:
        Tokenizer.load(tmp_path)
    assert name in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_huge_file_is_not_read(tokenizer, tmp_path, monkeypatch):
    tokenizer.save(tmp_path)
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with pytest.raises(DataError, match="too large"):
        Tokenizer.load(tmp_path)


def test_an_unreadable_file_is_explained(tokenizer, tmp_path):
    tokenizer.save(tmp_path)
    path = tmp_path / "tokenizer.json"
    path.unlink()
    path.symlink_to(path)  # a loop; permissions mean nothing to root
    with pytest.raises(DataError, match="has no tokenizer"):
        Tokenizer.load(tmp_path)


def test_contents_must_be_complete(tokenizer):
    with pytest.raises(DataError, match=r"needs tokenizer\.json"):
        Tokenizer({})
    with pytest.raises(DataError, match=r"needs tokenizer_config\.json"):
        Tokenizer({"tokenizer.json": tokenizer.contents["tokenizer.json"]})


@pytest.mark.parametrize(
    "decoder",
    [
        None,
        decoders.CTC(),
        decoders.BPEDecoder(),
        decoders.Metaspace(replacement="_"),
        decoders.Sequence([decoders.Replace("▁", "x"), decoders.Fuse()]),
    ],
)
def test_pieces_that_are_spelled_in_an_unknown_way_are_refused(decoder):
    core = tokenizers.Tokenizer(models.BPE({"<unk>": 0, "▁": 1, "a": 2}, [], unk_token="<unk>"))
    core.decoder = decoder
    with pytest.raises(DataError, match="spells its pieces in a way that is not known") as caught:
        Tokenizer(contents(core, {}))
    assert "ByteLevel" in caught.value.expected


def test_the_alphabet_is_that_of_the_library():
    assert sorted(BYTE_OF) == sorted(pre_tokenizers.ByteLevel.alphabet())
    assert sorted(BYTE_OF.values()) == list(range(256))


def test_paths_may_have_spaces_and_chinese_names(tokenizer, tmp_path):
    folder = Path(tmp_path, "丹炉 run", "tok")
    tokenizer.save(folder)
    assert Tokenizer.load(folder).sha256 == tokenizer.sha256
