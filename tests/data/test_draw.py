from __future__ import annotations

import pytest
from corpus_examples import write

from danlu.data.corpus import Corpus
from danlu.data.draw import draw
from danlu.errors import UnknownName


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    why = ("short", "bad: x", "bad: y")
    return write(
        tmp_path_factory.mktemp("draw") / "corpus",
        train=[(f"a/{n % 3}.txt#{n}", f"text {n}") for n in range(200)],
        held_out=[(f"b.txt#{n}", f"text {n}") for n in range(20)],
        removed=[(f"a/0.txt#r{n}", f"gone {n}", why[n % 3]) for n in range(30)],
    )


def test_the_same_seed_draws_the_same_documents_with_their_texts(corpus: Corpus) -> None:
    some = draw(corpus, 10)
    assert some == draw(corpus, 10) != draw(corpus, 10, seed=1)
    assert len({d.id for d in some}) == 10
    assert all(d.text == f"text {d.id.split('#')[1]}" and d.removed is None for d in some)
    assert draw(corpus, 5) == some[:5]


def test_filters(corpus: Corpus) -> None:
    assert {d.part for d in draw(corpus, 500)} == {"train", "held_out"}
    assert len(draw(corpus, 500, part="held_out")) == 20
    assert {d.file for d in draw(corpus, 500, source="a/1")} == {"a/1.txt"}
    assert len(draw(corpus, 500, reason="short")) == 10
    assert {d.removed for d in draw(corpus, 500, reason="bad")} == {"bad: x", "bad: y"}
    assert len(draw(corpus, 500, part="removed", source="a/")) == 30
    assert draw(corpus, 9, part="held_out", reason="bad") == []


def test_unknown_names_get_the_nearest(corpus: Corpus) -> None:
    with pytest.raises(UnknownName, match="did you mean 'removed'"):
        draw(corpus, 1, part="remove")
    with pytest.raises(UnknownName, match="did you mean 'short'"):
        draw(corpus, 1, reason="shrot")
    with pytest.raises(UnknownName, match=r"did you mean 'b\.txt'"):
        draw(corpus, 1, source="bb.txt")
