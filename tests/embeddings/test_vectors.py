"""The file of vectors, there and back; neighbours and analogies; damage."""

from __future__ import annotations

from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest

from danlu.embeddings import questions, vectors
from danlu.embeddings.pieces import spellings
from danlu.embeddings.vectors import Vectors
from danlu.errors import DataError, UnknownName
from danlu.tokenizer import train


def some(count: int = 30, width: int = 7) -> Vectors:
    matrix = np.random.default_rng(0).standard_normal((count, width)).astype(np.float32)
    return Vectors(tuple(f"wörd{i}月" for i in range(count)), matrix)


def test_there_and_back(tmp_path: Path) -> None:
    made = some()
    made.save(tmp_path / "e", {"method": "none"})
    back = vectors.load(tmp_path / "e")
    assert back.words == made.words
    np.testing.assert_allclose(back.matrix, made.matrix, rtol=1e-5)
    lines = (tmp_path / "e/vectors.txt").read_text("utf-8").split("\n")
    assert lines[0] == "30 7" and lines[-1] == "" and lines[1].count(" ") == 7
    record = vectors.record_of(tmp_path / "e")
    assert record is not None and record["words"] == 30 and record["method"] == "none"


@pytest.mark.parametrize(
    "text",
    ["", "2\n", "2 2\na 1 2\n", "2 2\na 1 2\nb 1\n", "1 2\na 1 2\nb 1 2\n", "1 2\na 1 x\n",
     "1 2\na nan 1\n", "999999999 999999\na 1\n"],
)  # fmt: skip
def test_damage_is_said(text: str, tmp_path: Path) -> None:
    (tmp_path / "vectors.txt").write_text(text)
    with pytest.raises(DataError):
        vectors.load(tmp_path)
    with pytest.raises(DataError, match="no vectors"):
        vectors.load(tmp_path / "absent")


def test_a_word_with_a_space_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="white space"):
        Vectors(("a b", "c"), np.eye(2, dtype=np.float32)).save(tmp_path, {})


def test_neighbours_and_analogies_are_those_of_a_loop() -> None:
    made = some()
    units = made.matrix / np.linalg.norm(made.matrix, axis=1, keepdims=True)
    rest = sorted(range(1, 30), key=lambda i: -units[i] @ units[0])
    assert [word for word, _ in made.nearest(made.words[0], 4)] == [made.words[i] for i in rest[:4]]
    aim = units[0] - units[1] + units[2]
    rest = sorted(range(3, 30), key=lambda i: -units[i] @ aim)
    found = made.analogy(*made.words[:3], 4)
    assert [word for word, _ in found] == [made.words[i] for i in rest[:4]]
    assert found[0][1] == pytest.approx(units[rest[0]] @ aim / np.linalg.norm(aim), abs=1e-4)
    scaled = Vectors(made.words, made.matrix * 9)
    assert scaled.nearest(made.words[0]) == made.nearest(made.words[0])
    assert len(made.nearest(made.words[0], 99)) == 29


def test_a_word_without_a_vector_gets_the_nearest_spelling() -> None:
    made = Vectors(("moon", "light"), np.eye(2, dtype=np.float32))
    assert made.nearest("Moon", 1) == [("light", 0.0)]
    with pytest.raises(UnknownName) as caught:
        made.nearest("mon")
    assert "moon" in caught.value.fix


def test_built_in_questions() -> None:
    rows = np.array([[1, 0, 1], [1, 0, -1], [0, 1, 1], [0, 1, -1], [9, 9, 0]], np.float32)
    (score,) = questions.ask(Vectors(("北京", "中国", "东京", "日本", "的"), rows))
    assert (score.family, score.asked, score.first) == ("首都", 2, 2)
    assert questions.ask(Vectors(("x", "y"), np.eye(2, dtype=np.float32))) == []
    for text in questions.PAIRS.values():
        assert all(len(pair.split()) == 2 for pair in text.split(", "))


@pytest.mark.parametrize("kind", ["bpe", "characters", "wordpiece", "unigram"])
def test_tokens_have_spellings_of_their_own(kind: str) -> None:
    made = train([topics["lambda"], topics["class"], "\n\n\t明月"], vocab=264, kind=kind)
    found = spellings(made)
    assert len(found) == len(set(found)) == made.vocab_size
    assert all(spelling.split() == [spelling] for spelling in found)
