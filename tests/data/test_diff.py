"""A diff of two corpora, against one of dictionaries."""

from __future__ import annotations

import random
from pathlib import Path

from corpus_examples import write

from danlu.data.corpus import Corpus
from danlu.data.diff import NOT_READ, diff


def test_each_kind_of_difference(tmp_path: Path) -> None:
    a = write(
        tmp_path / "a",
        train=[("x.txt#1", "one"), ("x.txt#2", "two"), ("y.txt", "yes"), ("x.txt#5", "five")],
        held_out=[("z.txt", "zet")],
    )
    b = write(
        tmp_path / "b",
        train=[("x.txt#1", "one"), ("x.txt#2", "TWO!"), ("z.txt", "zet")],
        held_out=[("n.txt", "new")],
        removed=[("x.txt#5", "five", "too short")],
    )
    found = diff(a, b)
    assert (found.same.documents, found.same.bytes) == (2, 6)
    assert (found.changed.examples, found.changed.sources) == (["x.txt#2"], {"x.txt": 1})
    assert found.moved.examples == ["z.txt"]
    assert (found.only_a.documents, found.only_a.bytes) == (2, 7)
    assert found.only_a.sources == {"x.txt": 1, "y.txt": 1}
    assert found.only_a.reasons == {"too short": 1, NOT_READ: 1}
    assert (found.only_b.examples, found.only_b.reasons) == (["n.txt"], {NOT_READ: 1})
    mirrored = diff(b, a)
    assert mirrored.only_b == found.only_a and mirrored.only_a == found.only_b


def test_a_corpus_and_itself(tmp_path: Path) -> None:
    a = write(tmp_path / "a", train=[("x", "one")], held_out=[("y", "two")])
    found = diff(a, a)
    assert found.same.documents == 2
    assert not any(g.documents for g in (found.changed, found.moved, found.only_a, found.only_b))


def test_an_empty_side(tmp_path: Path) -> None:
    a, b = write(tmp_path / "a", train=[("x", "one")]), write(tmp_path / "b")
    assert diff(a, b).only_a.documents == diff(b, a).only_b.documents == 1


def test_against_dictionaries(tmp_path: Path) -> None:
    rng = random.Random(0)

    def some() -> dict[str, str]:
        ids = (f"f{rng.randrange(9)}.txt#{rng.randrange(400)}" for _ in range(2500))
        return {own_id: f"{own_id} {rng.randrange(2)}" for own_id in ids}

    one, two = some(), some()
    folders: list[Corpus] = [
        write(tmp_path / name, train=list(texts.items())[9:], held_out=list(texts.items())[:9])
        for name, texts in (("a", one), ("b", two))
    ]
    found = diff(*folders)
    assert found.only_a.documents == len(one.keys() - two.keys())
    assert found.only_b.documents == len(two.keys() - one.keys())
    assert found.changed.documents == sum(one[i] != two[i] for i in one.keys() & two.keys())
    assert found.only_a.bytes == sum(len(one[i]) for i in one.keys() - two.keys())
    assert sum(found.only_b.sources.values()) == found.only_b.documents
    assert set(found.only_b.examples) <= two.keys() - one.keys()
