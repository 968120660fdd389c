"""Figures over texts, and texts cut into their tokens."""

from __future__ import annotations

import pytest
from hypothesis import given
from tokenizer_examples import NASTY, TEXTS, spiteful, trained, unicode

from danlu.tokenizer.stats import EXAMPLE_CHARACTERS, pieces, stats


@given(unicode | spiteful)
def test_joined_the_pieces_are_the_text(text):
    assert "".join(pieces(trained(), text)) == text


def test_characters_are_never_cut():
    tokenizer = trained(300)
    assert len(tokenizer.encode("床前😀")) > 3
    assert pieces(tokenizer, "床前😀") == ["床", "前", "😀"]
    assert "\ufffd" not in "".join(pieces(tokenizer, NASTY))
    assert pieces(tokenizer, "") == []


def test_figures():
    tokenizer = trained()
    figures = stats(tokenizer, TEXTS, examples=2)
    ids = [tokenizer.encode(text) for text in TEXTS]
    assert figures["vocab_size"] == 640
    assert figures["bytes_per_token"] == pytest.approx(
        sum(len(t.encode()) for t in TEXTS) / sum(map(len, ids))
    )
    assert figures["tokens_used"] == len(set().union(*ids))
    assert [example["text"] for example in figures["examples"]] == TEXTS[:2]
    assert ["".join(example["pieces"]) for example in figures["examples"]] == TEXTS[:2]


def test_examples_are_cut_and_no_text_is_no_error():
    tokenizer = trained()
    (example,) = stats(tokenizer, ["床" * 10_000])["examples"]
    assert len(example["text"]) == EXAMPLE_CHARACTERS
    empty = stats(tokenizer, [])
    assert empty["bytes_per_token"] == 0 and empty["tokens_used"] == 0 and empty["examples"] == []
