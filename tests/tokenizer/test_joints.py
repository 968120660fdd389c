"""Cutting between what no token joins changes no id, and cuts wherever it may."""

from __future__ import annotations

import random
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_examples import TEXTS, trained

from danlu.tokenizer import Tokenizer, train
from danlu.tokenizer.joints import Joints
from danlu.tokenizer.pretokens import qwen2_wide

CHARACTERS = "床前明月光疑是地上霜舉頭望低思故鄉的了一不人我在有他这"


@cache
def chinese(vocab: int) -> Tokenizer:
    """Trained on characters in random order, some far more often than others."""
    rng = random.Random(0)
    weights = [1 / (n + 1) for n in range(len(CHARACTERS))]
    lines = ["".join(rng.choices(CHARACTERS, weights, k=12)) + "。\n" for _ in range(2000)]
    return train([*lines, *TEXTS * 3], vocab=vocab)


text = st.text(st.sampled_from([*CHARACTERS, *"，。 \na1明月かナ々〇ＡＡ１　"]), max_size=40)


@pytest.mark.parametrize("vocab", [280, 400, 1024])
@given(st.lists(text, max_size=5))
def test_ids_are_the_librarys(vocab: int, texts: list[str]) -> None:
    own = chinese(vocab)
    assert own.encode_batch(texts) == [own.encode(text) for text in texts]


def test_it_is_used() -> None:
    own = chinese(400)
    (parts,) = own._split(["床前明月光，疑是地上霜。"])
    assert parts is not None and len(list(parts)) > 4
    unigram = train(["明月" * 30], vocab=270, kind="unigram", strict=False)
    assert unigram._joints is None and unigram._split(["明月"]) == [None]
    assert trained()._split(["ab"]) == [["ab"]] and trained()._split(["한국"]) == [None]


def reaches(token: bytes, left: bytes, right: bytes) -> bool:
    """Whether a token could hold the end of one character and the beginning of the next."""
    return any(
        (left.endswith(token[:at]) or token[:at].endswith(left))
        and (right.startswith(token[at:]) or token[at:].startswith(right))
        for at in range(1, len(token))
    )


@pytest.mark.parametrize("vocab", [280, 400, 1024])
def test_cuts_are_where_no_token_reaches(vocab: int) -> None:
    own = chinese(vocab)
    tokens = [t for t in map(own.token_bytes, range(own.vocab_size)) if len(t) > 1]
    joints = Joints(tokens)
    pairs = [(left, right) for left in CHARACTERS for right in CHARACTERS]
    cut = [len(parts) == 2 for parts in joints.cut([[left + right] for left, right in pairs])]
    free = [
        not any(reaches(token, left.encode(), right.encode()) for token in tokens)
        for left, right in pairs
    ]
    assert all(is_free for is_free, was_cut in zip(free, cut, strict=True) if was_cut)
    assert sum(cut) > 0.7 * sum(free) > 0, "parts of characters cost some cuts, not most"


def test_only_wide_characters_are_cut() -> None:
    joints = Joints([])
    assert joints.cut([["moon"], ["月a月月"], ["éé"], ["𠮷𠮷"], []]) == [
        ["moon"],
        ["月a月", "月"],
        ["éé"],
        ["𠮷𠮷"],
        [],
    ]
    assert joints.cut([]) == []
    assert Joints(["月月".encode()]).cut([["月月月"]]) == [["月月月"]]


def test_parts_of_characters_that_a_token_joins() -> None:
    left, right = "明".encode(), "月".encode()
    for token in (left[2:] + right[:1], left + right[:2], left[1:] + right):
        assert Joints([token]).cut([["明月"]]) == [["明月"]]
    assert Joints([left[:2], right[1:]]).cut([["明月"]]) == [["明", "月"]]


def test_words_stay_apart() -> None:
    words = qwen2_wide("明月，明月") or []
    assert words == ["明月", "，明月"]
    assert Joints(["明月".encode(), "，明".encode()]).cut([words]) == [["明月", "，明月"]]
