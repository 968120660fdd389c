"""Measures of a batch against plain Python on each text, and what they must not depend on."""

from __future__ import annotations

import itertools
import zlib

import numpy as np
import pyarrow as pa
import pytest
import quality_reference as reference
from hypothesis import example, given, settings
from hypothesis import strategies as st

from danlu.data import characters
from danlu.data.quality import classes, repeats, rules
from danlu.data.quality.compression import LZ4_FIRST
from danlu.data.quality.measures import Measures
from danlu.data.quality.presets import gentle

PIECES = (
    *("the ", "moon ", "Moon", " of ", "and ", "to ", "be ", "42 ", "x", "#", "{", "}", "- ", "• "),
    *("...", "…", ".", ". ", "! ", '." ', "?\n", "\n", "\n\n", " \t\n", "\u3000", "\x1f", "\u00a0"),
    *(
        "明月",
        "床前明月光，",
        "。",
        "疑是地上霜。",
        "是",
        "不在",
        "的這",
        "かな",
        "\U00020000",
        "🙂",
    ),
    *("Ａ１", "Lorem Ipsum ", "javascript ", "We use cookies here. ", "点击", "加微信", "icp备"),
    *("the moon of the moon and to be. ", "明月光明月光明月光明月光", "→", "\ufffd", "'", "”"),
)
TEXTS = st.lists(
    st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=40).map("".join), max_size=4
)


def measures(*texts: str) -> Measures:
    return Measures(pa.array(texts, pa.string()))


@settings(deadline=None, max_examples=60)
@given(TEXTS)
@example(["月abc", "月abcd", "月" * 9 + "か"])  # a quarter Han; a tenth kana
@example(["buy now " * 12, "buy now " * 11 + "buy"])  # 24 units, and one less
@example(['"Come to the old moon." (So she went to it.) Then he said it too."'])
def test_every_rule_measures_what_its_definition_says(texts: list[str]) -> None:
    made = measures(*texts)
    expected = [reference.values(text) for text in texts]
    for name in rules.rules():
        ours = rules.rules()[name].value(made)
        assert ours.tolist() == pytest.approx([one[name] for one in expected], abs=1e-12), name
        assert len(ours) == len(texts)
    assert made.han.tolist() == [characters.is_han(text) for text in texts]
    assert made.spaced.tolist() == [reference.is_spaced(text) for text in texts]
    spans = zip(made.lines.starts.tolist(), made.lines.ends.tolist(), strict=True)
    joined = "".join(texts)
    assert [joined[a:b] for a, b in spans] == [x for t in texts for x in reference.lines_of(t)]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.sampled_from("ab"), max_size=40).map(" ".join), max_size=3))
def test_ngrams_of_two_words_are_counted_as_by_hand(texts: list[str]) -> None:
    """Two words repeat in every way there is: overlaps, refrains, ties."""
    ngrams = measures(*texts).ngrams
    for n in (2, 3, 7):
        assert ngrams.top(n, times=3).tolist() == [reference.top(t, n, times=3) for t in texts]
        for in_units in (False, True):
            assert ngrams.covered_again(n, in_units=in_units).tolist() == [
                reference.covered(t, n, later=True, in_units=in_units) for t in texts
            ]
        assert ngrams.covered(n).tolist() == [reference.covered(t, n, later=False) for t in texts]


def test_a_text_measures_the_same_alone_and_in_a_batch() -> None:
    texts = ["ha ha ha ha\n" * 5, "", "明月光，明月光。", "\n", "ha ha ha ha\n" * 5, "a b", "b a"]
    together = measures(*texts)
    for rule in rules.rules().values():
        alone = [rule.value(measures(text))[0] for text in texts]
        assert rule.value(together).tolist() == alone, rule.name


def test_no_neighbour_in_a_batch_changes_a_measure() -> None:
    """Every piece before and after every other one: nothing may look across the boundary."""
    pieces = (*PIECES, "是", "。", "", " ", "\n")
    pairs = [(a, b) for a in range(len(pieces)) for b in range(len(pieces))]
    together = measures(*(pieces[i] for pair in pairs for i in pair))
    apart = [measures(piece) for piece in pieces]
    for rule in rules.rules().values():
        alone = np.array([rule.value(one)[0] for one in apart])
        assert np.array_equal(rule.value(together), alone[np.ravel(pairs)]), rule.name
    for kind in ("han", "spaced"):
        alone = np.array([one.judged(kind)[0] for one in apart])
        assert np.array_equal(together.judged(kind), alone[np.ravel(pairs)])


def test_no_texts_and_empty_texts_have_measures() -> None:
    for rule in rules.rules().values():
        assert rule.value(measures()).tolist() == []
        assert np.isfinite(rule.value(measures("", ""))).all()


def test_keys_that_differ_only_in_the_low_bits_are_told_apart() -> None:
    keys = np.array([3, 1, 3, 2, 1, 1], np.uint64)  # the places stand where they differ
    found = repeats.repeats(keys)
    assert found.at.tolist() == [1, 4, 5, 0, 2]
    assert found.later().tolist() == [2, 4, 5]


@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(0, 9), max_size=50))
def test_repeats_are_those_of_a_loop(keys: list[int]) -> None:
    found = repeats.repeats(np.array(keys, np.uint64))
    assert sorted(found.at.tolist()) == [i for i, k in enumerate(keys) if keys.count(k) > 1]
    assert found.later().tolist() == [i for i, key in enumerate(keys) if key in keys[:i]]
    groups = [keys[i] for i in found.at]
    assert sum(found.heads) == len(set(groups))
    changes = [a != b for a, b in itertools.pairwise(groups)]
    assert found.heads.tolist()[1:] == changes


def test_only_what_compresses_easily_is_compressed_well() -> None:
    texts = ["-" * 1000, "The quick brown fox jumps over the lazy dog.", ""]
    ratios = measures(*texts).compression
    assert ratios[0] == len(zlib.compress(texts[0].encode(), 1)) / 1000 < 0.12
    assert ratios[1:].tolist() == [1.0, 1.0]


def test_what_zlib_finds_repetitive_passes_lz4_first() -> None:
    """Random orders of a few words: the hardest texts for LZ4 that zlib finds easy."""
    generator = np.random.default_rng(0)
    codec = pa.Codec("lz4_raw")
    near = 0
    for length in (3, 5, 9, 20):
        for kinds in (2, 4, 8, 16, 64):
            words = ["".join(generator.choice(list("etaoinshr"), length)) for _ in range(kinds)]
            for size in (200, 1000, 5000):
                text = " ".join(generator.choice(words, size // length)).encode()
                if len(zlib.compress(text, 1)) < 0.12 * len(text):
                    near += 1
                    assert len(codec.compress(text, asbytes=True)) < LZ4_FIRST * len(text)
    assert near > 5


def test_phrases_that_do_not_compress_count_as_half_their_limit() -> None:
    stanza = (
        "Tyger Tyger, burning bright,\nIn the forests of the night;\nWhat immortal hand or eye,"
    )
    first, second = "\nCould frame thy fearful symmetry?\n\n", "\nDare frame thy fearful symmetry?"
    song = measures(stanza + first + stanza + second, (stanza + first) * 4)
    assert gentle.duplicate_phrases(song).tolist() == [
        gentle.UNCONFIRMED,
        reference.covered((stanza + first) * 4, 10, later=True, in_units=True) / 0.35,
    ]


def test_the_table_of_flags_is_that_of_single_characters() -> None:
    every = np.array([classes._flags_of(code) for code in range(1 << 16)], np.uint16)
    assert np.array_equal(classes._table(), every)
