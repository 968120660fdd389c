"""Figures over texts, and texts cut into their tokens."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from tokenizer_examples import NASTY, TEXTS, spiteful, trained, unicode

from danlu.tokenizer import train
from danlu.tokenizer.stats import EXAMPLE_CHARACTERS, longest, pieces, stats, unused, whole


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


def test_figures_by_language():
    tokenizer = trained()
    figures = stats(tokenizer, TEXTS, languages=["en", "code", "zh", "en"])
    found = figures["by_language"]
    assert list(found) == ["code", "en", "zh"]
    assert sum(row["bytes"] for row in found.values()) == sum(len(t.encode()) for t in TEXTS)
    ids = tokenizer.encode(TEXTS[2])
    assert found["zh"] == {
        "bytes": len(TEXTS[2].encode()),
        "tokens": len(ids),
        "bytes_per_token": pytest.approx(len(TEXTS[2].encode()) / len(ids)),
        "characters_per_token": pytest.approx(len(TEXTS[2]) / len(ids)),
    }
    assert stats(tokenizer, TEXTS)["by_language"] == {}


def test_coverage_counts_characters_without_a_token():
    tokenizer = train(["明月" * 20, "moon"], vocab=264, kind="characters", strict=False)
    covered = stats(tokenizer, ["明月 moon", "光"])["coverage"]
    assert covered == {"characters_with_a_token": pytest.approx(7 / 8), "unknown_tokens": 0}
    assert stats(tokenizer, ["明月"])["coverage"]["characters_with_a_token"] == 1


def test_unknown_tokens_are_counted():
    tokenizer = train(["the moon soon " * 20], vocab=40, kind="wordpiece", strict=False)
    figures = stats(tokenizer, ["the moon", "the 龘 xyz"])
    assert figures["coverage"]["unknown_tokens"] == pytest.approx(2 / 5)
    assert figures["coverage"]["characters_with_a_token"] == pytest.approx(10 / 14)
    assert figures["lossless"] is False
    assert figures["examples"][1]["pieces"] == [" the", "\ufffd", "\ufffd"]
    assert stats(tokenizer, ["the moon"])["coverage"]["unknown_tokens"] == 0


def test_words_kept_whole():
    tokenizer = train(["to the moon " * 50, "明月 " * 50], vocab=280, strict=False)
    found = whole(tokenizer, [" moon", " the", " sun", "明月"])
    assert found == {"words": 4, "whole": 3, "share": 0.75, "first_cut": [" sun"]}
    assert whole(tokenizer, []) == {"words": 0, "whole": 0, "share": 0.0, "first_cut": []}
    lossy = train(["the moon " * 50], vocab=40, kind="wordpiece", strict=False)
    assert whole(lossy, ["moon", "龘"])["whole"] == 1, "an unknown word is not whole"


def test_unused_tokens():
    tokenizer = train(["abab abab " * 20], vocab=280, strict=False)
    made = {tokenizer.token_bytes(n) for n in range(tokenizer.vocab_size)}
    own = sum(len(token) > 1 for token in made)
    figures = stats(tokenizer, ["ab"], sample=["abab abab"])
    assert figures["unused"]["tokens"] == own and figures["unused"]["in_held_out"] == own - 1
    used = set(tokenizer.encode("abab abab")) | set(tokenizer.encode("ab"))
    assert figures["unused"]["anywhere"] == own - len(used)
    assert len(figures["unused"]["first"]) == figures["unused"]["anywhere"]
    without = stats(tokenizer, ["ab"])["unused"]
    assert without == {"tokens": own, "in_held_out": own - 1}
    many = ["abab abab"] * 600  # more than one batch
    assert unused(tokenizer, Counter(), many)["in_sample"] == own - len(
        set(tokenizer.encode("abab abab"))
    )


def test_the_longest_come_first():
    found = longest(trained())
    sizes = [len(text.encode()) for text in found]
    assert sizes == sorted(sizes, reverse=True) and len(found) == 12
