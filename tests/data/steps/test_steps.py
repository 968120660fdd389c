from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from data_examples import FABLE, POEM

from danlu import discover
from danlu.data import rows
from danlu.data.settings import PrepareSettings
from danlu.data.steps import repair, short
from danlu.types import Document

Run = Callable[..., list[dict[str, Any]]]

NEED_EXAMPLES = {"perplexity", "classifier"}
NAMES = sorted(set(discover.names("danlu.data.steps")) - NEED_EXAMPLES)
"""Steps that can be built without a text to learn from; the others have tests of their own."""


def build(name: str) -> rows.Step:
    step: rows.Step = discover.find("danlu.data.steps", name, "step").build(PrepareSettings())
    return step


@pytest.mark.parametrize("name", NAMES)
def test_a_step_leaves_removed_rows_alone_and_keeps_the_order(name: str) -> None:
    texts = [FABLE, "x", "caf\u00c3\u00a9 ", FABLE, "ha ha ha\n" * 30]
    documents = [Document(text, str(n), {"file": "f"}) for n, text in enumerate(texts)]
    batches = [
        rows.with_columns(batch, removed=["before"] * batch.num_rows)
        for batch in rows.batches(documents)
    ]
    step = build(name)
    assert list(step(iter(batches))) == batches
    assert not any(step.stats().values())
    assert step.name == name
    assert step.version


@pytest.mark.parametrize("name", NAMES)
def test_a_step_does_not_depend_on_how_rows_are_batched(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    documents = [Document(FABLE[: n % 7 * 20] + "\r\n", str(n), {"file": "f"}) for n in range(40)]
    results = []
    for size in (1, 7, 1000):
        monkeypatch.setattr(rows, "BATCH_ROWS", size)
        results.append([r for b in build(name)(rows.batches(documents)) for r in b.to_pylist()])
    assert results[0] == results[1] == results[2]


@pytest.mark.parametrize(
    ("text", "after", "kind"),
    [
        ("cafÃ© â€™til", "café ’til", "mojibake"),
        ("cafe\u0301", "café", "nfc"),
        ("a\r\nb\rc\u2028d\u0085e", "a\nb\nc\nd\ne", "line ends"),
        ("a\x00b\x07c\u200bd\ufeffe\u202ef\u00adg", "abcdefg", "invisible"),
        ("a \t\nb\u3000\n\n", "a\nb", "spaces"),
        ("\n\na", "a", "spaces"),
        ("Latin\u200djoiner 汉\u200d字", "Latinjoiner 汉字", "invisible"),
    ],
)
def test_what_is_repaired(text: str, after: str, kind: str, run_step: Run) -> None:
    step = repair.Repair()
    assert run_step(step, text, "fine")[0]["text"] == after
    assert step.stats() == {"changed": 1, kind: 1}


@pytest.mark.parametrize(
    "text",
    [
        FABLE,
        POEM,
        "  indented\n\tcode stays\n\n\nas it is",
        "👨\u200d👩\u200d👧 family, ❤\ufe0f\u200d🔥 fire",  # joiners inside emoji
        "می\u200cخواهم",  # Persian needs its non-joiner
        "क्\u200dष",
        "Ça coûte 3 € — naïve “quotes” and Ångström",
        "「古池や」蛙飛び込む水の音",
        "",
    ],
)
def test_what_is_not_touched(text: str) -> None:
    assert repair.repair(text) == (text, [])


def test_long_runs_of_spaces_are_no_trap() -> None:
    started = time.monotonic()
    repair.repair((" " * 200_000 + "x") * 5)
    assert time.monotonic() - started < 2


def test_short_texts(run_step: Run) -> None:
    step = short.Short(40)
    texts = [
        "Return self.",
        "春眠不觉晓，处处闻啼鸟。夜来风雨声，花落知多少。",
        FABLE,
        "明月",
        "x" * 39,
        "x" * 40,
    ]
    assert [row["removed"] for row in run_step(step, *texts)] == [
        "too short",
        None,
        None,
        "too short",
        "too short",
        None,
    ]
    assert step.stats() == {"removed": 3}
    assert [row["removed"] for row in run_step(short.Short(0), "", "a")] == [None, None]
