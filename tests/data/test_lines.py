"""Lines and paragraphs that stand in many documents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from near_examples import planted

from danlu.data.corpus import Corpus
from danlu.data.prepare import prepare
from danlu.data.settings import DuplicateSettings, PrepareSettings

MENU = "Home | About us | Contact the editors"
FOOT = "版权所有，未经许可不得转载。"


def made(folder: Path, texts: list[str], **duplicates: object) -> Corpus:
    folder.mkdir()
    lines = [json.dumps({"id": n, "text": text}) for n, text in enumerate(texts)]
    (folder / "a.jsonl").write_text("\n".join(lines))
    settings = PrepareSettings(
        steps=("lines",), duplicates=DuplicateSettings(**duplicates), held_out=0.05
    )
    return prepare([folder / "a.jsonl"], folder / "out", settings)


def kept(corpus: Corpus) -> dict[int, str]:
    both = [*corpus.documents("train"), *corpus.documents("held_out")]
    return {int(d.id.partition("#")[2]): d.text for d in both}


def test_repeated_lines_stay_only_in_the_first_document(tmp_path: Path) -> None:
    bodies = planted(0, False, 20)
    texts = [f"{MENU.upper() if n % 2 else MENU}\n{body}\n{FOOT}" for n, body in enumerate(bodies)]
    after = kept(made(tmp_path / "in", texts))
    assert after[0] == texts[0]
    assert [after[n] for n in range(1, len(bodies))] == bodies[1:]


def test_rare_and_short_lines_are_left_alone(tmp_path: Path) -> None:
    bodies = planted(0, False, 20)
    few = [f"{MENU}\n{body}" if n < 9 else body for n, body in enumerate(bodies)]
    assert kept(made(tmp_path / "few", few)) == dict(enumerate(few))
    short = [f"Oh my!\n{body}" for body in bodies]
    assert kept(made(tmp_path / "short", short)) == dict(enumerate(short))
    lower = kept(made(tmp_path / "lower", few, line_copies=9))
    assert [lower[n] for n in range(1, 9)] == bodies[1:9]


def test_a_line_twice_in_one_document_counts_once(tmp_path: Path) -> None:
    bodies = planted(0, False, 8)[:6]
    texts = [f"{MENU}\n{MENU}\n{body}" for body in bodies]
    assert kept(made(tmp_path / "in", texts)) == dict(enumerate(texts))


def test_a_document_of_nothing_else_is_removed(tmp_path: Path) -> None:
    texts = [f"{MENU}\n{body}" for body in planted(0, False, 20)]
    corpus = made(tmp_path / "in", [*texts, f"{MENU}\n{MENU}"])
    assert corpus.manifest["removed"]["only repeated lines"]["documents"] == 1
    assert corpus.manifest["duplicates"]["lines"] == {"repeated": 1}


@pytest.mark.parametrize("unit", ["line", "paragraph"])
def test_paragraphs(tmp_path: Path, unit: str) -> None:
    paragraph = f"{MENU}\n{FOOT}"
    bodies = planted(0, False, 20)
    texts = [f"{body}\n\n{paragraph}" for body in bodies]
    after = kept(made(tmp_path / "in", texts, lines=unit))
    assert [after[n] for n in range(1, len(bodies))] == bodies[1:]
