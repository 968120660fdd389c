"""Words that are looked up, or encoded many as one, have the ids that the library gives each."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_examples import TEXTS, trained, unicode

from danlu.tokenizer import Tokenizer, train, words
from danlu.tokenizer.words import Words


@cache
def kind(name: str) -> Tokenizer:
    return train(TEXTS * 3, vocab=400, kind=name, strict=False)


def library(tokenizer: Tokenizer, word: str) -> list[int]:
    return list(tokenizer._core.encode(word, add_special_tokens=False).ids)


@given(st.lists(st.text("aeot né月光，1ÿ", max_size=8) | unicode, max_size=12))
def test_many_as_one(some: list[str]) -> None:
    whole = [word for word in some if len(cut(word)) == 1]
    own = Words(kind("bpe")._core, joined=True)
    for _ in range(2):
        found = [np.frombuffer(ids, np.uint32).tolist() for ids in own.ids(whole)]
        assert found == [library(kind("bpe"), word) for word in whole]


def cut(text: str) -> list[object]:
    return list(kind("bpe")._core.pre_tokenizer.pre_tokenize_str(text))


@pytest.mark.parametrize(("name", "joined"), [("bpe", True), ("unigram", False)])
def test_what_goes_together(name: str, joined: bool) -> None:
    tokenizer = kind(name)
    assert (tokenizer._words._between is not None) == joined
    assert tokenizer.encode_batch(TEXTS) == [tokenizer.encode(text) for text in TEXTS]


def test_more_words_than_go_through_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "TOGETHER", 3)
    own = Words(kind("bpe")._core, joined=True)
    many = [f"a{c}" for c in "bcdefghij"]
    found = [np.frombuffer(ids, np.uint32).tolist() for ids in own.ids(many)]
    assert found == [library(kind("bpe"), word) for word in many]


def test_words_are_forgotten_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(words, "MOST", 3)
    own = trained()
    own._words.clear()
    for text in ("one two three four", "five six", "one", "one two"):
        assert own.encode_batch([text]) == [own.encode(text)]
    assert len(own._words) <= 5
