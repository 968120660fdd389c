"""Sentences are found in whatever spelling, wherever they are, and nothing else is."""

from __future__ import annotations

import random
import re
import unicodedata

import pytest
from corpus_examples import write

from danlu.data.corpus import Corpus
from danlu.data.find import find, normalised, pattern
from danlu.errors import ConfigError

WOODS = "Whose woods these are I think I know.\nHis house is in the village though;"
MOON = "床前明月光，\n疑是地上霜。\n举头望明月，\n低头思故乡。"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    filler = [(f"fill.txt#{n}", f"Sentence number {n} of the filler.") for n in range(99)]
    cafe = unicodedata.normalize("NFD", "Le café")
    return write(
        tmp_path_factory.mktemp("find") / "corpus",
        train=[
            ("frost.txt", WOODS),
            *filler,
            ("cafe.txt", cafe),
        ],
        held_out=[("li.txt", MOON), ("de.txt", "Die Straße ist naß.")],
        removed=[("copy.txt", WOODS.upper(), "duplicate")],
    )


@pytest.mark.parametrize(
    ("sentence", "ids"),
    [
        ("Whose woods these are", ["frost.txt", "copy.txt"]),
        ("  whose WOODS\nthese   are ", ["frost.txt", "copy.txt"]),
        ("I know. His house", ["frost.txt", "copy.txt"]),
        ("床前明月光，疑是地上霜", ["li.txt"]),
        ("明月光, 疑是", []),
        ("LE CAFÉ", ["cafe.txt"]),
        ("die strasse ist NASS", ["de.txt"]),
        ("number 7 of", ["fill.txt#7"]),
        ("a (b) [c] .* \\", []),
    ],
)
def test_exact(corpus: Corpus, sentence: str, ids: list[str]) -> None:
    found = find(corpus, sentence)
    assert [hit.id for hit in found.hits if found.exact] == ids
    assert sum(found.documents.values()) == len(ids)


def test_a_hit_says_where_and_why(corpus: Corpus) -> None:
    kept, gone = find(corpus, "in the village").hits
    assert (kept.part, kept.removed, kept.file) == ("train", None, "frost.txt")
    assert (gone.part, gone.removed) == ("removed", "duplicate")
    assert "in the village" in kept.text


def test_counts_are_of_all_hits_also_those_not_listed(corpus: Corpus) -> None:
    found = find(corpus, "of the filler", most=3)
    assert len(found.hits) == 3 and found.documents == {"train": 99, "held_out": 0, "removed": 0}


def test_a_changed_sentence_is_found_by_what_is_left_of_it(corpus: Corpus) -> None:
    found = find(corpus, "Whose woods those are I think I know. His house")
    assert not found.exact and found.documents["train"] == 0
    assert {hit.id for hit in found.hits} == {"frost.txt", "copy.txt"}
    assert 0.5 < found.hits[0].shared < 1
    assert not find(corpus, "An entirely different sentence about the sea").hits


def test_an_empty_sentence(corpus: Corpus) -> None:
    with pytest.raises(ConfigError, match="nothing to look for"):
        find(corpus, " \n ")


def test_the_pattern_lets_no_match_slip(corpus: Corpus) -> None:
    """Oracle: wherever the normalised texts agree, the expression matches."""
    rng = random.Random(0)
    letters = "aAß éÉ\n\t 明月，ガが.\\(ﬁſK"
    agreed = 0
    for _ in range(3000):
        text = "".join(rng.choices(letters, k=12))
        if rng.random() < 0.5:
            text = unicodedata.normalize("NFD", text)
        sentence = unicodedata.normalize("NFC", text[rng.randrange(6) :][: rng.randrange(1, 7)])
        sentence = rng.choice([str.upper, str.lower, str])(sentence)
        if normalised(sentence) and normalised(sentence) in normalised(text):
            agreed += 1
            matched = re.search(pattern(sentence, space=r"\s"), text)
            special = re.search("ﬁ|ſ", sentence + text)  # ligatures are spelled out by repair
            assert matched or special, (sentence, text)
    assert agreed > 1000
