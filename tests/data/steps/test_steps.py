from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from data_examples import FABLE, POEM

from danlu import discover
from danlu.data import rows
from danlu.data.settings import PrepareSettings
from danlu.data.steps import exact, repair, repetitive, short
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


def test_exact_duplicates(run_step: Run) -> None:
    step = exact.Exact()
    result = run_step(step, FABLE, POEM, FABLE.upper().replace(" ", "\n "), FABLE + "!", POEM)
    assert [row["removed"] for row in result] == [None, None, "duplicate", None, "duplicate"]
    assert step.stats() == {"removed": 2}


def test_a_heading_with_the_own_name_is_not_compared() -> None:
    def digest(name: str, text: str) -> bytes:
        return exact.digest(text, f'{{"name": "{name}"}}')

    assert digest("a.f", "a.f(x)\n\nSee base class.") == digest("b.g", "b.g()\n\nSee base class.")
    assert digest("a.f", "other\n\nSee base class.") != digest("b.g", "b.g()\n\nSee base class.")
    assert digest("a.f", "a.f(x)") != digest("b.g", "b.g(x)")


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


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Home | About | Contact\n" * 9, "duplicate lines"),
        ("buy now " * 40 + FABLE[:60], "one phrase"),
        (f"{FABLE} " * 3, "duplicate phrases"),
        ("买买买" * 60, "one phrase"),
        ("重要的事情说三遍，" * 12, "one phrase"),
        (
            "狐狸看见高架上挂着一串熟透的葡萄，跳了又跳，怎么也够不着，就说葡萄是酸的。" * 3,
            "duplicate phrases",
        ),
        ("-" * 1000, "compressible"),
    ],
)
def test_repetitive_texts(text: str, reason: str, run_step: Run) -> None:
    step = repetitive.Repetitive()
    result = run_step(step, text, FABLE)
    assert [row["removed"] for row in result] == [f"repetitive: {reason}", None]
    assert step.stats() == {reason: 1}


REFRAIN = """Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?

Tyger Tyger burning bright,
In the forests of the night:
What immortal hand or eye,
Dare frame thy fearful symmetry?"""


@pytest.mark.parametrize(
    "text",
    [
        FABLE,
        POEM,
        REFRAIN,
        "采莲曲\n莲叶何田田，鱼戏莲叶间。\n鱼戏莲叶东，鱼戏莲叶西，鱼戏莲叶南，鱼戏莲叶北。",
        "def f(x):\n    return x\n\n\ndef g(x):\n    return x + 1\n",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "",
    ],
)
def test_poems_refrains_and_code_survive(text: str) -> None:
    assert repetitive.reason(text) is None


def test_the_limits_can_be_moved() -> None:
    text = REFRAIN.replace("Dare", "Could").replace("burning", ",burning")
    assert repetitive.reason(text, factor=0.5) == "duplicate lines"
    assert repetitive.reason("Home | About\n" * 9, factor=9) is None
