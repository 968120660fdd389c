"""Cuts by `re` are the library's cuts, for every character that they are used on."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_examples import foreign, trained
from tokenizers import models

from danlu.tokenizer import train
from danlu.tokenizer.bytelevel import EVERY_CHARACTER, QWEN2, bytes_of, wrapped
from danlu.tokenizer.kind import Learned
from danlu.tokenizer.kinds import wordpiece
from danlu.tokenizer.pretokens import (
    BERT_SPLITTER,
    CHARACTERS,
    QWEN2_SPLITTER,
    Splitter,
    lines,
    splitter,
)

CORE = wrapped(models.BPE(), QWEN2)
BERT = wordpiece.core(Learned([], 0), ["[UNK]"])

KNOWN = [c for c in map(chr, range(0x110000)) if QWEN2_SPLITTER.knows(c)]
SOME = [
    c for c in KNOWN if c < "\u2200" or "\u3000" <= c < "\u3400" or c > "\ufeff" or c in "─月가"
]
"""All but what there are thousands of."""
BERT_KNOWN = [c for c in map(chr, range(0x10000)) if BERT_SPLITTER.knows(c)]


def cut(own: Splitter, text: str) -> list[str] | None:
    return list(own.words(text)) if own.knows(text) else None


def qwen2(text: str) -> list[str] | None:
    return cut(QWEN2_SPLITTER, text)


def bert(text: str) -> list[str] | None:
    return cut(BERT_SPLITTER, text)


def library(text: str) -> list[str]:
    return [bytes_of(word).decode() for word, _ in CORE.pre_tokenizer.pre_tokenize_str(text)]


def bert_library(text: str) -> list[str]:
    clean = BERT.normalizer.normalize_str(text)
    return [word for word, _ in BERT.pre_tokenizer.pre_tokenize_str(clean)]


def test_what_is_known() -> None:
    assert set("\x00~éž—’€床月，。！％①αЖかカ가□") <= set(KNOWN)
    assert not set("ſ\u03a2\ufb01\uffff\ud800\ue000🦊\U00020000") & set(KNOWN)
    assert len(SOME) < 2_500 < 40_000 < len(KNOWN)
    assert qwen2("it's 🦊") is None and qwen2("ok\ud800") is None and qwen2("a\uffffb") is None
    assert 20_992 < len(BERT_KNOWN) < 21_200 and bert("naïve") is None and bert("\x00") is None


@pytest.mark.parametrize("before", ["", "a", "1", " ", "\n", ".", "'", "  \n"])
def test_every_known_character_in_every_company(before: str) -> None:
    for c in SOME:
        for after in ("", "a", " ", ".", "\n", c):
            assert qwen2(before + c + after) == library(before + c + after), (before, c, after)


def test_every_known_character() -> None:
    for start in range(0, len(KNOWN), 500):
        text = "".join(f"a{c} {c}.{c}\n{c}" for c in KNOWN[start : start + 500])
        assert qwen2(text) == library(text)


def test_every_known_character_as_bert_has_it() -> None:
    for start in range(0, len(BERT_KNOWN), 50):
        for between in ("a", " ", ""):
            text = between.join(BERT_KNOWN[start : start + 50])
            assert bert(text) == bert_library(text)


@given(
    st.text(st.sampled_from(SOME), max_size=30) | st.text("ab '\n.1sStT\t 月，\u3000", max_size=20)
)
def test_any_known_text(text: str) -> None:
    assert qwen2(text) == library(text)
    assert "".join(qwen2(text) or []) == text


@given(st.text(st.sampled_from([*"aZ9 .,'\n\t床月，。#[]"]), max_size=30))
def test_any_known_text_as_bert_has_it(text: str) -> None:
    assert bert(text) == bert_library(text)


@given(st.text(st.sampled_from([*SOME, *"\n\r \n🦊ſ\x1c\x85\u180e"]) | st.just("\n"), max_size=30))
def test_lines_can_be_cut_alone(text: str) -> None:
    assert [word for line in lines(text) for word in library(line)] == library(text)


def test_who_has_a_splitter() -> None:
    def of(contents: dict[str, bytes]) -> object:
        return splitter(json.loads(contents["tokenizer.json"]))

    texts = ["moon soon noon " * 20]
    assert of(trained().contents) is QWEN2_SPLITTER
    assert of(train(texts, vocab=280, kind="unigram", strict=False).contents) is QWEN2_SPLITTER
    assert of(train(texts, vocab=40, kind="wordpiece", strict=False).contents) is BERT_SPLITTER
    assert of(train(texts, vocab=262, kind="characters", strict=False).contents) is CHARACTERS
    assert of(foreign("llama3").contents) is None  # another expression, and added words
    own = json.loads(trained().contents["tokenizer.json"])
    added = {"id": 999, "content": "moon", "special": False}
    assert splitter({**own, "added_tokens": [*own["added_tokens"], added]}) is None
    assert splitter({**own, "model": {**own["model"], "dropout": 0.1}}) is None
    assert EVERY_CHARACTER != QWEN2 and list(CHARACTERS.words("a月")) == ["a", "月"]
