"""Marked clauses give the ids of whole ones, and are cut wherever no token reaches across."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.tokenizer import Tokenizer, reach, train
from danlu.tokenizer.pretokens import MARK

POEMS = ["床前明月光，疑是地上霜。举头望明月，低头思故乡。", "白日依山尽，黄河入海流。" * 2] * 3
MANY = st.characters(min_codepoint=0x33F0, max_codepoint=0x9FB0)
SEEN = st.sampled_from(sorted(set("".join(POEMS))))
texts = st.text(SEEN | MANY | st.sampled_from([*"a，。\n 𠀀é\u3000"]), max_size=40)


@cache
def tokenizer(vocab: int) -> Tokenizer:
    return train(POEMS, vocab=vocab, strict=False)


@given(st.lists(texts, max_size=6), st.sampled_from([270, 300, 340, 600]))
def test_the_same_ids_as_the_library(some: list[str], vocab: int) -> None:
    own = tokenizer(vocab)
    assert own.encode_batch(some) == [own.encode(text) for text in some]


@given(st.lists(texts, max_size=6), st.integers(0, 2**32 - 1))
def test_marks_are_where_no_token_of_any_kind_reaches(some: list[str], seed: int) -> None:
    whole = "".join(some).encode()
    chance = np.random.default_rng(seed)
    bounds = chance.integers(0, len(whole) + 1, (20, 2))
    tokens = [whole[a : min(b, a + 7)] for a, b in bounds.tolist() if a < b]
    found = reach.marked(some, reach.table(tokens))
    assert [text.replace(MARK, "") for text in found] == list(some)
    for text in found:
        for a, b in pairwise(text.split(MARK)):
            left, right = a.encode(), b.encode()
            joined = left + right
            for token in tokens:
                at = joined.find(token)
                while at >= 0:
                    assert not at < len(left) < at + len(token)
                    at = joined.find(token, at + 1)


def test_pairs_that_no_token_knows_are_cut_and_others_are_not() -> None:
    table = reach.table(["明月".encode(), "月光，".encode(), "é".encode(), b"ab"])
    marked = reach.marked(["明月光，霜月é", "", "明"], table)
    assert [text.replace(MARK, "|") for text in marked] == ["明月光，霜|月é", "", "明"]
    assert table.sum() == 3  # 明月, 月光 and 光，


def test_a_piece_of_a_character_reaches_from_all_that_end_so() -> None:
    last = "光".encode()[-1:] + "疑".encode()
    marked = reach.marked(["月光疑", "月元疑"], reach.table([last]))
    assert "元".encode()[-1] != last[0]
    assert [text.replace(MARK, "|") for text in marked] == ["月|光疑", "月|元|疑"]


@pytest.mark.parametrize("kind", ["unigram", "characters", "wordpiece"])
def test_only_for_byte_pairs(kind: str) -> None:
    own = train(POEMS, vocab=340, kind=kind, strict=False)
    assert own._reach is None and tokenizer(300)._reach is not None
    assert own.encode_batch(POEMS) == [own.encode(text) for text in POEMS]
