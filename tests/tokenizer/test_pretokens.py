"""Cuts by `re` are the library's cuts, for every character that they are used on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_examples import foreign, trained
from tokenizers import models

from danlu.tokenizer import pretokens, train
from danlu.tokenizer.bytelevel import EVERY_CHARACTER, QWEN2, bytes_of, wrapped
from danlu.tokenizer.kind import Learned
from danlu.tokenizer.kinds import wordpiece
from danlu.tokenizer.pretokens import bert, characters, qwen2, splitter

CORE = wrapped(models.BPE(), QWEN2)
BERT = wordpiece.core(Learned([], 0), ["[UNK]"])

KNOWN = [c for c in map(chr, range(0x3000)) if qwen2(c) is not None]
BERT_KNOWN = [c for c in map(chr, range(0x10000)) if bert(c) is not None]


def library(text: str) -> list[str]:
    return [bytes_of(word).decode() for word, _ in CORE.pre_tokenizer.pre_tokenize_str(text)]


def bert_library(text: str) -> list[str]:
    clean = BERT.normalizer.normalize_str(text)
    return [word for word, _ in BERT.pre_tokenizer.pre_tokenize_str(clean)]


def test_what_is_known() -> None:
    assert len(KNOWN) == 0x17F + 0x70 + 0x20
    assert {"\x00", "~", "é", "ž", "—", "’", "€"} <= set(KNOWN) and "ſ" not in KNOWN
    assert qwen2("it's 床") is None and qwen2("ok\ud800") is None
    assert 20_992 < len(BERT_KNOWN) < 21_200 and bert("naïve") is None and bert("\x00") is None


@pytest.mark.parametrize("before", ["", "a", "1", " ", "\n", ".", "'", "  \n"])
def test_every_known_character_in_every_company(before: str) -> None:
    for c in KNOWN:
        for after in ("", "a", " ", ".", "\n", c):
            assert qwen2(before + c + after) == library(before + c + after), (before, c, after)


def test_every_known_character_as_bert_has_it() -> None:
    for start in range(0, len(BERT_KNOWN), 50):
        for between in ("a", " ", ""):
            text = between.join(BERT_KNOWN[start : start + 50])
            assert bert(text) == bert_library(text)


@given(st.text(st.sampled_from(KNOWN), max_size=30) | st.text("ab '\n.1sStT\t ", max_size=20))
def test_any_known_text(text: str) -> None:
    assert qwen2(text) == library(text)
    assert "".join(qwen2(text) or []) == text


@given(st.text(st.sampled_from([*"aZ9 .,'\n\t床月，。#[]"]), max_size=30))
def test_any_known_text_as_bert_has_it(text: str) -> None:
    assert bert(text) == bert_library(text)


def test_who_has_a_splitter() -> None:
    def of(contents: dict[str, bytes]) -> object:
        return splitter(json.loads(contents["tokenizer.json"]))

    texts = ["moon soon noon " * 20]
    assert of(trained().contents) is qwen2
    assert of(train(texts, vocab=280, kind="unigram", strict=False).contents) is qwen2
    assert of(train(texts, vocab=40, kind="wordpiece", strict=False).contents) is bert
    assert of(train(texts, vocab=262, kind="characters", strict=False).contents) is characters
    assert of(foreign("llama3").contents) is None  # another expression, and added words
    own = json.loads(trained().contents["tokenizer.json"])
    added = {"id": 999, "content": "moon", "special": False}
    assert splitter({**own, "added_tokens": [*own["added_tokens"], added]}) is None
    assert splitter({**own, "model": {**own["model"], "dropout": 0.1}}) is None
    assert EVERY_CHARACTER != QWEN2 and list(characters("a月")) == ["a", "月"]


def test_words_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from danlu.tokenizer import tokenizer as module

    monkeypatch.setattr(module, "WORDS", 3)
    own = trained()
    own._words.clear()
    for text in ("one two three four", "five six", "one", "one two"):
        assert own.encode_batch([text]) == [own.encode(text)]
    assert len(own._words) <= 5
    assert pretokens.QWEN2_KNOWN
