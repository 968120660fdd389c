"""A sample of texts: bounded, the same in any order, a part of any larger one."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizer_examples import unicode

from danlu.tokenizer import sample as module
from danlu.tokenizer.sample import Sample, blocks

TEXTS = [f"{n}: " + "明月 moon\n" * (n % 40) for n in range(600)]
SIZE = sum(len(text.encode()) for text in TEXTS)


def taken(texts: list[str], limit: int) -> list[str]:
    return list(Sample(texts, total_bytes=SIZE, limit_bytes=limit))


def test_small_texts_are_taken_whole() -> None:
    sample = Sample(TEXTS, total_bytes=SIZE, limit_bytes=SIZE)
    assert list(sample) == TEXTS and sample.bytes == SIZE
    assert sample.as_json() == {"bytes": SIZE, "of_bytes": SIZE, "rule": "all text"}


@pytest.mark.parametrize("limit", [SIZE // 2, SIZE // 10])
def test_it_is_about_the_share_and_never_more(limit: int) -> None:
    sample = Sample(TEXTS, total_bytes=SIZE, limit_bytes=limit)
    assert 0.6 * limit < sum(len(text.encode()) for text in sample) == sample.bytes <= limit
    assert "small hash" in sample.as_json()["rule"]


def test_order_does_not_matter_and_smaller_samples_are_parts() -> None:
    mixed = TEXTS[:]
    random.Random(0).shuffle(mixed)
    share = {"total_bytes": SIZE * 2, "limit_bytes": SIZE // 2}  # room for all that is chosen
    chosen, again = (set(Sample(texts, **share)) for texts in (TEXTS, mixed))
    assert chosen == again and 0 < len(chosen) < len(TEXTS)
    fewer = set(Sample(TEXTS, total_bytes=SIZE * 9, limit_bytes=SIZE // 2))
    assert 0 < len(fewer) < len(chosen) and fewer <= chosen


def test_a_huge_document_is_sampled_inside() -> None:
    text = "\n".join(map(str, range(200_000)))
    found = list(Sample([text], total_bytes=len(text), limit_bytes=len(text) // 4))
    assert len(found) > 5 and sum(map(len, found)) <= len(text) // 4
    assert all(block.endswith("\n") or text.endswith(block) for block in found)


@given(st.lists(unicode | st.text("ab \n", min_size=20), max_size=5).map("".join))
def test_joined_the_blocks_are_the_text(text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK", 8)
        parts = list(blocks(text))
    assert "".join(parts) == text and all(len(part) <= 8 for part in parts)
    assert all(parts) or text == ""


def test_half_a_surrogate_pair_is_left_to_the_trainer() -> None:
    assert taken(["bad \ud800"], SIZE) == ["bad \ud800"]
