from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data import split
from danlu.errors import DataError


def decide(files: dict[str, int], documents: dict[str, int], share: float) -> split.Split:
    out = {name: size for name, size in documents.items() if split.place(name) < share}
    sums = split.Documents(len(documents), sum(documents.values()), len(out), sum(out.values()))
    return split.decide(files, sums, share, lambda: documents)


def out(decided: split.Split, ids: list[str], files: list[str]) -> split.Out:
    places = np.array([split.place(name) for name in ids])
    return decided.out(pa.array(ids), pa.array(files), places)


SIZES = st.dictionaries(st.text(min_size=1, max_size=6), st.integers(1, 10_000), min_size=2)


def test_files_stay_together_and_the_share_is_about_right() -> None:
    files = {f"f{n}": 100 + n % 7 for n in range(2000)}
    decided = decide(files, {"d1": 1, "d2": 1}, 0.05)
    assert decided.by == "file"
    assert decided.held_out
    assert 0.035 < len(decided.held_out) / len(files) < 0.065
    one = next(iter(decided.held_out))
    ids, files_ = [f"{one}#{n}" for n in range(9)], [one] * 9
    assert out(decided, ids, files_).all()


def test_few_files_are_split_by_document() -> None:
    documents = {f"a#{n}": 50 for n in range(300)}
    decided = decide({"a": 15_000}, documents, 0.05)
    assert decided.by == "document"
    sides = out(decided, list(documents), ["a"] * len(documents)).tolist()
    assert 5 <= sides.count(True) <= 30
    assert decide({f"f{n}": 9 for n in range(20)}, documents, 0.05).by == "file"


def test_adding_files_moves_none_that_were_there() -> None:
    files = {f"f{n}": 100 for n in range(400)}
    more = files | {f"g{n}": 100 for n in range(400)}
    assert split.held_out(more, 0.05) & files.keys() == split.held_out(files, 0.05)


@given(SIZES, st.floats(0.01, 0.5))
def test_neither_side_is_ever_empty_and_held_out_is_bounded(
    units: dict[str, int], share: float
) -> None:
    held = split.held_out(units, share)
    assert held == split.held_out(dict(reversed(units.items())), share), "order does not matter"
    assert 0 < len(held) < len(units)
    size, total = sum(units[name] for name in held), sum(units.values())
    assert size <= 2 * share * total or held == {min(units, key=lambda n: (units[n], n))}


def test_one_huge_file_is_not_held_out() -> None:
    for n in range(50):
        units = {f"small{i}": 10 for i in range(40)} | {f"huge{n}": 1_000_000}
        assert f"huge{n}" not in split.held_out(units, 0.05)


def test_one_document_cannot_be_split() -> None:
    with pytest.raises(DataError, match="too small to hold any of it out") as error:
        decide({"a": 5}, {"a": 5}, 0.05)
    assert "1 document of 5 bytes" in str(error.value)


def test_places_never_change() -> None:
    assert split.place("torch/nn/functional.py") == pytest.approx(0.5, abs=0.5)
    assert split.place("a") == split.place("a") != split.place("b")
