"""Units against a plain loop over characters, and their n-grams against slices."""

from __future__ import annotations

import unicodedata

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data import units

TEXTS = st.lists(
    st.text(
        st.characters(codec="utf-8", exclude_characters="\x00")
        | st.sampled_from("aA bＢ明月。, \n0９é\U00020000\U0001f600"),
        max_size=30,
    ),
    max_size=5,
)


def spelled(text: str) -> list[str]:
    """The definition, one character at a time."""
    found: list[str] = []
    word = ""
    for char in text:
        code = ord(char)
        kind = int(units._kinds(np.array([code], np.uint32))[0])
        plain = unicodedata.normalize("NFKC", char).casefold()
        folded = plain if len(plain) == 1 and code < 1 << 16 and ord(plain) < 1 << 16 else char
        if kind == units.WORD:
            word += folded
            continue
        if word:
            found.append(word)
            word = ""
        if kind == units.WIDE:
            found.append(folded)
    return found + [word] * bool(word)


@settings(deadline=None)
@given(TEXTS)
def test_units_are_those_of_a_loop_over_characters(texts: list[str]) -> None:
    made = units.of(pa.array(texts, pa.string()))
    for i, text in enumerate(texts):
        ours = [made.spelling(u) for u in range(made.first[i], made.first[i + 1])]
        assert ours == spelled(text)


@settings(deadline=None)
@given(TEXTS)
def test_equal_units_and_only_they_have_equal_hashes(texts: list[str]) -> None:
    made = units.of(pa.array(texts, pa.string()))
    words = [made.spelling(u) for u in range(len(made.hashes))]
    by_word = dict(zip(words, made.hashes.tolist(), strict=True))
    assert [by_word[word] for word in words] == made.hashes.tolist()
    assert len(set(by_word.values())) == len(by_word)


@settings(deadline=None)
@given(TEXTS, st.integers(1, 6), st.booleans())
def test_grams_are_the_slices_of_each_text(texts: list[str], n: int, whole: bool) -> None:
    made = units.of(pa.array(texts, pa.string()))
    hashes, first = made.grams(n, whole=whole)
    expected: list[tuple[str, ...]] = []
    for i in range(len(texts)):
        words = [made.spelling(u) for u in range(made.first[i], made.first[i + 1])]
        mine = [tuple(words[j : j + n]) for j in range(len(words) - n + 1)]
        if whole and words and not mine:
            mine = [tuple(words)]
        assert first[i + 1] - first[i] == len(mine)
        expected += mine
    assert len(hashes) == len(expected)
    assert len(set(hashes.tolist())) == len(set(expected))
    alike = dict(zip(expected, hashes.tolist(), strict=True))
    assert [alike[gram] for gram in expected] == hashes.tolist()


def test_a_text_means_the_same_alone_and_in_a_batch_and_in_a_slice() -> None:
    texts = ["first words", "the second, 第二 text", ""]
    batch = pa.array(texts, pa.string())
    together, hashes = units.of(batch), units.text_hashes(batch)
    for i, text in enumerate(texts):
        alone = units.of(pa.array([text], pa.string()))
        part = units.of(batch.slice(i, 1))
        span = slice(together.first[i], together.first[i + 1])
        assert alone.hashes.tolist() == part.hashes.tolist() == together.hashes[span].tolist()
        assert units.text_hashes(pa.array([text], pa.string()))[0] == hashes[i]


def test_text_hashes_ignore_case_marks_and_spaces_but_not_order() -> None:
    same = pa.array(["The moon, the sun!", "the  MOON the\nsun", "the sun the moon", "the moon"])
    hashes = units.text_hashes(same).tolist()
    assert hashes[0] == hashes[1]
    assert len(set(hashes)) == 3


def test_no_texts_at_all() -> None:
    made = units.of(pa.array([], pa.string()))
    assert made.first.tolist() == [0]
    assert made.grams(3)[0].size == 0
    assert units.text_hashes(pa.array([""], pa.string())).size == 1
