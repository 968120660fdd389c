from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from data_examples import APART, FABLE, POEM

from danlu import discover
from danlu.data import pairs
from danlu.data.corpus import Corpus
from danlu.data.prepare import prepare
from danlu.data.questions import _passages, _wording
from danlu.data.settings import PrepareSettings
from danlu.errors import DataError
from danlu.types import Document

KINDS = discover.names("danlu.data.questions")
PROSE = (
    "The old pond lay still. A frog sat at its edge and looked into the water for a while.\n"
    "Then it jumped! Rings ran over the pond, and the reeds moved. Nobody had seen it.\n"
    "Later that day the wind rose, and a boy came by who threw stones into the water.\n"
)


def ask(kind: str, text: str, seed: int = 0, /, **meta: Any) -> list[tuple[str, str]]:
    maker = discover.find("danlu.data.questions", kind, "kind")
    return list(maker.pairs(Document(text, "d", {"file": "f", **meta}), random.Random(seed)))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("pairs")
    words = FABLE.split()
    with (root / "a.jsonl").open("w") as file:
        for n in range(200):
            words = words[1:] + words[:1]
            text = f"{' '.join(words)}.\nIt was number {n}. So it was, and so it stayed.\n"
            row = {"text": text, "title": f"Fable {n}"} if n % 2 else {"text": text}
            file.write(json.dumps(row) + "\n")
    return prepare([root / "a.jsonl"], root / "out", APART.model_copy(update={"held_out": 0.2}))


def test_what_does() -> None:
    meta = {
        "name": "os.path.join",
        "kind": "function",
        "summary": "Join :func:`two <a>` ``paths``.",
    }
    ((question, answer),) = ask("what_does", "os.path.join(a, *p)\n\nJoin.", **meta)
    assert "`os.path.join`" in question
    assert answer == "Join `two` `paths`."
    for change in (
        {"name": "os._private"},
        {"summary": "Short."},
        {"summary": "x" * 20},
        {"summary": "x " * 400},
        {"summary": "!!! what is this?!"},
    ):
        assert ask("what_does", "text", **meta | change) == []
    assert ask("what_does", PROSE) == []
    assert ask("continue_text", PROSE, **meta) == ask("fill_in", PROSE, **meta) == []


def test_write_from_title_and_which_title() -> None:
    ((question, answer),) = ask("write_from_title", POEM, title="靜夜思")
    assert "靜夜思" in question
    assert "詩" in question
    assert answer == POEM
    ((question, answer),) = ask("which_title", POEM, title="靜夜思")
    assert question.endswith(POEM)
    assert answer == "靜夜思"
    ((question, answer),) = ask("write_from_title", PROSE * 9, title="The pond")
    assert PROSE.startswith(answer[:100])
    assert len(answer) <= _passages.ROOM
    assert ask("write_from_title", POEM) == ask("which_title", POEM) == []
    assert ask("which_title", POEM, title="床前") == [], "the answer stands in the question"
    assert ask("write_from_title", POEM, title="x" * 200) == []


def test_continue_text() -> None:
    ((question, answer),) = ask("continue_text", POEM)
    assert question.endswith("床前明月光，疑是地上霜。")
    assert answer == "舉頭望明月，低頭思故鄉。"
    ((question, answer),) = ask("continue_text", PROSE)
    quoted = question.split("\n\n", 1)[1]
    assert PROSE.startswith(quoted)
    assert answer in PROSE[len(quoted) :]
    assert ask("continue_text", "One sentence only.") == []
    assert ask("continue_text", "x" * 999 + ".\n" + "y" * 999 + ".\n") == []


def test_fill_in() -> None:
    ((question, answer),) = ask("fill_in", PROSE)
    quoted = question.split("\n\n", 1)[1]
    assert quoted.count("____") == 1
    assert quoted.replace("____", answer) in PROSE
    assert ask("fill_in", POEM) == [], "two lines: nothing would be left"
    assert ask("fill_in", "ROMEO:\nAh.\nJULIET:\nOh.\nNURSE:\nSo.") == [], "nothing telling"


def test_long_texts_are_asked_about_in_several_places() -> None:
    book = "\n".join(
        f"Sentence number {n} of a long book, in a line of its own." for n in range(400)
    )
    found = ask("continue_text", book)
    assert 2 <= len(found) <= _passages.MOST_PASSAGES
    assert len(set(found)) == len(found)
    assert found == ask("continue_text", book)
    assert found != ask("continue_text", book, 1)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", [POEM * 8, PROSE * 20, "。" * 500, "\n\n", "a", "x" * 2000])
def test_questions_and_answers_fit_a_small_context(kind: str, text: str) -> None:
    for question, answer in ask(kind, text, title="T", name="a.b", summary="It is what it is."):
        assert answer == answer.strip() != ""
        assert _passages.room(question) <= _passages.ROOM + 200
        assert _passages.room(answer) <= _passages.ROOM


def test_the_language_and_script_of_the_text() -> None:
    assert _wording.language(FABLE) == "en"
    assert _wording.language(POEM) == "zh-Hant"
    assert _wording.language("举头望明月，低头思故乡，处处闻啼鸟") == "zh-Hans"
    assert _wording.language("名前はまだ無い。どこで生れたか") == "en"
    for kind, phrases in _wording.PHRASES.items():
        for language in phrases:
            parts = {"name": "N", "title": "T", "text": "X"}
            assert all(p.format(**parts) != p for p in phrases[language]), (kind, language)
            assert len(set(phrases[language])) >= 2


def test_pairs_come_from_their_own_side_and_depend_on_the_seed_only(corpus: Corpus) -> None:
    built = pairs.build(corpus, seed=1)
    assert built == pairs.build(corpus, seed=1) != pairs.build(corpus, seed=2)
    for part, rows in (("train", built.train), ("held_out", built.held_out)):
        texts = {document.id: document.text for document in corpus.documents(part)}
        for pair in rows:
            user, assistant = pair["messages"]
            assert (user["role"], assistant["role"]) == ("user", "assistant")
            title = pair["kind"] == "which_title"
            assert title or assistant["content"] in texts[pair["id"]]
    assert set(built.kinds()["train"]) == set(KINDS) - {"what_does"}


def test_counts_are_capped_and_even(corpus: Corpus) -> None:
    built = pairs.build(corpus, seed=0, train=100, held_out=7)
    assert (len(built.train), len(built.held_out)) == (100, 7)
    assert set(built.kinds()["train"].values()) == {25}
    assert max(built.kinds()["held_out"].values()) - min(built.kinds()["held_out"].values()) <= 1


def test_what_a_kind_lacks_the_others_give() -> None:
    documents = [Document(PROSE, str(n), {}) for n in range(50)]
    documents += [Document(PROSE, "t", {"title": "The pond"})]
    chosen = pairs.sample(documents, ["continue_text", "which_title"], 40, random.Random(0))
    kinds = [pair["kind"] for pair in chosen]
    assert (kinds.count("which_title"), kinds.count("continue_text")) == (1, 39)
    assert len({pair["id"] for pair in chosen}) > 30, "a sample of all, not the first ones"


def test_written_and_read(corpus: Corpus, tmp_path: Path) -> None:
    built = pairs.build(corpus, seed=0, train=20, held_out=5)
    paths = pairs.write(built, tmp_path)
    assert {path.name for path in paths.values()} == {
        "chats-train.jsonl",
        "chats-held_out.jsonl",
    }
    assert pairs.read(tmp_path) == built
    with pytest.raises(DataError, match=r"no chats-train\.jsonl"):
        pairs.read(tmp_path / "elsewhere")


def test_text_without_questions(tmp_path: Path) -> None:
    rows = [{"text": "word" * 20 + str(n)} for n in range(30)]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = PrepareSettings(steps=("repair",))
    with pytest.raises(DataError, match="no questions can be made of the train text"):
        pairs.build(prepare([tmp_path / "a.jsonl"], tmp_path / "out", settings), seed=0)
