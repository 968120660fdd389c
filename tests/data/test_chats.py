"""Conversations: what a file may hold, how they are packed, and what is learned from them."""

from __future__ import annotations

import json
import random
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from danlu.data.chats import Chat, ChatBatches, pairs, questions, read
from danlu.errors import ConfigError, DataError
from danlu.tokenizer import Tokenizer, encode_chat, train
from danlu.types import IGNORE, Batch, Message

Capture = pytest.CaptureFixture[str]
WORDS = ["fox", "grapes", "sour", "vine", "went", "away", "once", "more", "春眠", "不觉晓"]


@cache
def tokenizer() -> Tokenizer:
    return train([" ".join(WORDS) + " "] * 9, vocab=290, strict=False)


def chat(name: str, *turns: str, system: str = "") -> Chat:
    """A conversation of questions and answers in turn."""
    roles = ["user", "assistant"] * len(turns)
    messages = [Message(role, text) for role, text in zip(roles, turns, strict=False)]  # type: ignore[arg-type]
    return Chat((*([Message("system", system)] if system else []), *messages), name)


def some_chats(count: int = 30, seed: int = 0) -> list[Chat]:
    generator = random.Random(seed)

    def text() -> str:
        return " ".join(generator.choices(WORDS, k=generator.randint(1, 6)))

    return [
        chat(f"c{n}", *(text() for _ in range(2 * generator.randint(1, 3)))) for n in range(count)
    ]


def batches(chats: list[Chat], **options: Any) -> ChatBatches:
    return ChatBatches(chats, tokenizer(), **{"context": 96, "rows": 2, **options})


def pieces(batch: Batch) -> list[dict[str, Any]]:
    """The conversations of a batch, cut out of its rows by their segments."""
    assert batch.positions is not None and batch.segments is not None
    found = []
    for row in range(len(batch.tokens)):
        for segment in range(1, batch.segments[row].max() + 1):
            (at,) = np.nonzero(batch.segments[row] == segment)
            assert (np.diff(at) == 1).all()
            found.append(
                {
                    "ids": batch.tokens[row, at].tolist(),
                    "labels": batch.labels[row, at].tolist(),
                    "positions": batch.positions[row, at].tolist(),
                }
            )
    return found


# ---- packing


@given(st.integers(0, 5), st.integers(1, 40), st.integers(80, 200))
@settings(max_examples=30, derandomize=True, deadline=None)
def test_rows_hold_each_conversation_whole_and_once(seed: int, count: int, context: int) -> None:
    chats = some_chats(count, seed)
    encoded = {c.id: encode_chat(tokenizer(), c.messages) for c in chats}
    fitting = {name: e for name, e in encoded.items() if len(e.ids) <= context}
    if not fitting:
        return
    made = batches(chats, context=context, rows=1, seed=seed)
    assert (made.count, made.dropped) == (len(fitting), count - len(fitting))
    names: list[str] = []
    for step in range(made.epoch_rows):
        (batch,) = made(step)
        assert batch.positions is not None and batch.segments is not None
        found = pieces(batch)
        assert len(found) == len(batch.ids)
        for name, piece in zip(batch.ids, found, strict=True):
            wanted = fitting[name]
            assert piece["ids"] == wanted.ids
            assert piece["positions"] == list(range(len(wanted.ids)))
            learned = zip(wanted.ids[1:], wanted.trained[1:], strict=True)
            labels = [token if trained else IGNORE for token, trained in learned]
            assert piece["labels"] == [*labels, IGNORE]
        padding = batch.segments == 0
        assert (batch.tokens[padding] == tokenizer().pad_id).all()
        assert (batch.labels[padding] == IGNORE).all() and (batch.positions[padding] == 0).all()
        names += batch.ids
    assert sorted(names) == sorted(fitting)


def test_packing_saves_rows() -> None:
    made = batches(some_chats(60), context=160)
    tokens = sum(len(encode_chat(tokenizer(), c.messages).ids) for c in some_chats(60))
    assert made.epoch_rows < 1.25 * tokens / 160 < 60


def test_epochs_and_ranks() -> None:
    chats, options = some_chats(40), {"context": 256}
    made = batches(chats, rows=4, micro_rows=2, **options)
    assert [len(batch.tokens) for batch in made(0)] == [2, 2]
    single = batches(chats, rows=1, **options)
    rows = [batch.ids for step in range(2 * made.epoch_rows) for batch in single(step)]
    first, second = rows[: made.epoch_rows], rows[made.epoch_rows :]
    assert sorted(n for ids in first for n in ids) == sorted(c.id for c in chats)
    assert sorted(map(tuple, second)) == sorted(map(tuple, first)) and second != first
    for step in (0, 3, made.epoch_rows):
        whole = sorted(name for batch in made(step) for name in batch.ids)
        ranks = [batches(chats, rows=4, rank=r, world=3, **options)(step) for r in range(3)]
        assert whole == sorted(name for micro in ranks for batch in micro for name in batch.ids)
        assert whole == sorted(n for b in batches(chats, rows=4, **options)(step) for n in b.ids)
    assert [b.ids for b in batches(chats, seed=1)(0)] != [b.ids for b in batches(chats)(0)]
    with pytest.raises(ConfigError, match="fewer rows"):
        batches(chats, rows=1, world=2)


def test_more_rows_in_a_step_than_in_an_epoch() -> None:
    made = batches([chat("a", "fox", "sour")], rows=5)
    (batch,) = made(0)
    assert batch.ids == ["a"] * 5


def test_what_is_too_long_is_left_out_and_counted() -> None:
    long = chat("long", "fox", "grapes " * 90)
    made = batches([chat("short", "fox", "sour"), long])
    assert (made.count, made.dropped) == (1, 1)
    with pytest.raises(DataError, match="no conversation fits into a row") as caught:
        batches([long])
    assert "the shortest has" in str(caught.value.got) and caught.value.expected == "at most 96"
    with pytest.raises(DataError, match="no conversation fits") as caught:
        batches([])
    assert caught.value.got == "no conversations"


# ---- what is learned


def test_labels_are_the_answers_and_their_ends() -> None:
    made = batches([chat("a", "fox went", "sour", "once more", "away 春眠", system="vine")], rows=1)
    ((piece,),) = (pieces(batch) for batch in made(0))
    ids, labels = piece["ids"], piece["labels"]
    assert all(label in (IGNORE, ids[n + 1]) for n, label in enumerate(labels[:-1]))
    runs: list[list[int]] = [[]]
    for label in labels:
        if label != IGNORE:
            runs[-1].append(label)
        elif runs[-1]:
            runs.append([])
    end = tokenizer().token("<|im_end|>")
    assert [tokenizer().decode(run) for run in runs if run] == ["sour", "away 春眠"]
    assert all(run[-1] == end and end not in run[:-1] for run in runs if run)


def test_packed_loss_and_gradient_are_those_of_each_alone() -> None:
    """Conversations in a row do not see each other. Float32: the model's head is."""
    from danlu.models.config import ModelConfig
    from danlu.models.init import initialise
    from danlu.models.transformer import Transformer, parameters
    from danlu.runtime import Runtime
    from danlu.train.objectives.next_token import NextToken

    torch.set_num_threads(1)
    shape = {"d_model": 16, "n_layers": 2, "n_heads": 2, "n_kv_heads": 2, "head_dim": 8, "d_ff": 32}
    config = ModelConfig(vocab_size=320, max_len=192, **shape)
    model = initialise(Transformer(config), seed=0)
    with torch.no_grad():
        for name, weight in parameters(model).items():  # so that attention has something to say
            if name.endswith(("attn.out.weight", "mlp.down.weight")):
                weight.normal_(std=0.3, generator=torch.Generator().manual_seed(len(name)))
    runtime, objective = Runtime(torch.device("cpu"), torch.float32), NextToken()

    def loss_and_gradient(micro: list[Batch]) -> tuple[float, torch.Tensor, int]:
        model.zero_grad()
        total = torch.zeros(())
        for batch in micro:
            total = total + objective.loss(model, runtime.put(batch))[0]
        total.backward()
        grads = [p.grad.flatten() for p in parameters(model).values() if p.grad is not None]
        return total.item(), torch.cat(grads), sum(map(objective.units, micro))

    chats = some_chats(12)
    whole = [b for n in range(8) for b in batches(chats, context=192, rows=1)(n)]
    whole = whole[: batches(chats, context=192).epoch_rows]
    alone = [b for c in chats for b in batches([c], context=192, rows=1)(0)]
    assert len(whole) < len(alone) == len(chats)
    one, other = loss_and_gradient(whole), loss_and_gradient(alone)
    assert one[2] == other[2] > 0
    assert one[0] == pytest.approx(other[0], rel=2e-6)
    assert float((one[1] - other[1]).norm() / other[1].norm()) < 2e-6


# ---- files


def line(*turns: tuple[str, Any], **more: Any) -> str:
    messages = [{"role": role, "content": text} for role, text in turns]
    return json.dumps({"messages": messages, **more}, ensure_ascii=False)


GOOD = line(("user", "fox?"), ("assistant", "sour 葡萄"))


def test_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"\ufeff{GOOD}\r\n\n{line(('user', 'x'), ('assistant', 'y'), id=7)}\n", "utf-8")
    first, second = read(path)
    assert first == Chat((Message("user", "fox?"), Message("assistant", "sour 葡萄")), f"{path}:1")
    assert second.id == "7"


def test_read_other_encodings(tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "a.jsonl"
    text = line(("user", "春眠不觉晓，下一句是什么？"), ("assistant", "处处闻啼鸟。夜来风雨声。"))
    for codec, name in (("gb18030", "GB18030"), ("utf-16", "UTF-16")):
        path.write_bytes(text.encode(codec))
        assert read(path)[0].messages[1].content.startswith("处处闻啼鸟")
        assert f"is read as {name}" in capsys.readouterr().err
    path.write_bytes(GOOD.encode()[:-9] + b"\xff" + GOOD.encode()[-9:])
    with pytest.raises(DataError, match="is not"):
        read(path)
    path.write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(DataError, match="is not text"):
        read(path)


@pytest.mark.parametrize(
    ("bad", "said", "got"),
    [
        ("{", "is no conversation", "{"),
        ("[]", "is no conversation", "[]"),
        ('"messages"', "is no conversation", '"messages"'),
        ('{"messages": 3}', "is no conversation", '{"messages": 3}'),
        ('{"messages": [{"role": "user"}]}', "is no conversation", "role"),
        ("[" * 100_000, "is no conversation", "[[["),
        (line(("robot", "x")), "has a wrong role", "robot"),
        (line(("user", "x"), ("assistant", 5)), "message that is no text", "5"),
        (line(("user", "x"), ("assistant", None)), "message that is no text", "None"),
        (line(("user", "x")), "has no answer to learn from", "messages"),
        (line(("user", "x"), ("assistant", " \n")), "has no answer", "assistant"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, bad: str, said: str, got: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(f"{GOOD}\n\n{bad}\n")
    with pytest.raises(DataError, match=f"a.jsonl:3 .*{said}") as caught:
        read(path)
    assert got in str(caught.value)


def test_files_without_conversations(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file"):
        read(tmp_path / "absent.jsonl")
    with pytest.raises(DataError, match="no file"):
        read(tmp_path)
    (tmp_path / "a.jsonl").write_text("\n \n")
    with pytest.raises(DataError, match="holds no conversations"):
        read(tmp_path / "a.jsonl")


def test_pairs_and_questions() -> None:
    long = chat("a", "q1", "a1", "q2", "a2", "q3", system="s")
    odd = Chat((Message("assistant", "hello"),), "b")
    assert pairs([long, odd]) == [("q2", "a2"), ("", "hello")]
    turns = [[m.content for m in turn] for turn in questions([long, odd])]
    assert turns == [["s", "q1", "a1", "q2"], []]
