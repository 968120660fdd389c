from __future__ import annotations

import random

import numpy as np
import pytest
from data_examples import FABLE, POEM

from danlu.data import character_ngram
from danlu.data.character_ngram import UNITS, CharacterNGram, _find, _hashes, _placed, _stream
from danlu.evaluate.ngram import NGram

RNG = random.Random(5)
WORDS = FABLE.split()
TEXTS = [" ".join(RNG.choices(WORDS, k=40)) for _ in range(60)]
HAN = ["".join(RNG.choices(POEM + "春眠不觉晓处处闻啼鸟", k=50)) for _ in range(60)]


@pytest.mark.parametrize("texts", [TEXTS, HAN], ids=["en", "zh"])
def test_it_is_modified_kneser_ney(texts: list[str]) -> None:
    model = CharacterNGram.fit(texts)
    stream, _, _ = _stream(texts, model.ids, model.order)
    size = int(model.ids.max()) + 1
    oracle = NGram.fit(stream.astype(np.int64), order=model.order, vocab_size=size)
    new, _, _ = _stream([FABLE, POEM, texts[0][::-1]], model.ids, model.order)
    unknown = new == character_ngram.UNKNOWN
    expected = oracle.nll(new.astype(np.int64)) / np.log(2) + unknown * np.log2(150_000)
    got = model._costs(new) / UNITS
    error = got - expected[model.order - 1 :]
    assert np.abs(error).max() < (model.order + 1) / UNITS  # each look-up rounds by half a unit
    assert abs(error.mean()) < 0.01


def test_a_longer_alphabet_has_a_shorter_gram() -> None:
    letters = "".join(chr(0x4E00 + n) for n in range(1100)) * 2
    assert CharacterNGram.fit([letters]).order == 4
    assert CharacterNGram.fit(TEXTS).order == 6


def test_a_score_does_not_depend_on_the_other_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    model = CharacterNGram.fit(TEXTS)
    texts = [*TEXTS[:9], "", FABLE, POEM, "x"]
    together = model.bits(texts).tolist()
    assert together == [float(model.bits([text])[0]) for text in texts]
    assert together[9] == 0
    monkeypatch.setattr(character_ngram, "BLOCK", 7)
    assert model.bits(texts).tolist() == together
    assert model.bits([]).tolist() == []


def test_a_character_that_is_not_in_the_alphabet_costs_more_than_any_in_it() -> None:
    model = CharacterNGram.fit(TEXTS)
    assert model.bits(["月" * 100])[0] > 100 * np.log2(150_000)
    assert model.bits(["zqxj" * 25])[0] < model.bits(["月" * 100])[0]


def test_every_gram_is_found_and_hardly_any_other() -> None:
    generator = np.random.default_rng(0)
    keys = np.unique(generator.integers(0, 1 << 60, 40_000, dtype=np.uint64))
    table = np.zeros(1 << 17, np.uint32)
    first, second, marks = _hashes(keys[:30_000], len(table))
    owners = _placed(np.stack([first, second]), len(table))
    assert owners is not None
    taken = np.flatnonzero(owners >= 0)
    assert sorted(owners[taken]) == list(range(30_000))
    table[taken] = (marks & ~np.uint32((1 << 18) - 1))[owners[taken]] | np.uint32(7)
    entries, missing = _find(table, keys)
    assert (entries[:30_000] & 255 == 7).all() and not missing[:30_000].any()
    assert (entries[30_000:] == 0).mean() > 0.998
    assert np.array_equal(missing != 0, entries == 0)


def test_no_room_is_said() -> None:
    assert _placed(np.zeros((2, 3), np.int64), 8) is None
