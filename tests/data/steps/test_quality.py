"""The step: what is removed and why, what survives, and C4's line filter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from data_examples import FABLE, POEM

from danlu.data.quality import rules
from danlu.data.settings import PrepareSettings
from danlu.data.steps import quality

Run = Callable[..., list[dict[str, Any]]]

CHINESE_FABLE = "狐狸看见高架上挂着一串熟透的葡萄，跳了又跳，怎么也够不着，就说葡萄是酸的。"
REFRAIN = """Tyger Tyger, burning bright,
In the forests of the night;
What immortal hand or eye,
Could frame thy fearful symmetry?

Tyger Tyger burning bright,
In the forests of the night:
What immortal hand or eye,
Dare frame thy fearful symmetry?"""


def step(*names: str, **settings: Any) -> quality.Quality:
    chosen = {"rules": names or ("gentle",), **settings}
    return quality.build(PrepareSettings.model_validate({"quality": chosen}))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Home | About | Contact\n" * 9, "duplicate lines"),
        ("buy now " * 40 + FABLE[:60], "one phrase"),
        (f"{FABLE} " * 3, "duplicate phrases"),
        ("买买买" * 60, "one phrase"),
        ("重要的事情说三遍，" * 12, "one phrase"),
        (CHINESE_FABLE * 3, "duplicate phrases"),
        ("-" * 1000, "compressible"),
    ],
)
def test_repetitive_texts(text: str, reason: str, run_step: Run) -> None:
    own = step()
    result = run_step(own, text, FABLE)
    assert [row["removed"] for row in result] == [f"repetitive: {reason}", None]
    assert own.stats() == {reason: 1}


@pytest.mark.parametrize(
    "text",
    [
        FABLE,
        POEM,
        REFRAIN,
        "采莲曲\n莲叶何田田，鱼戏莲叶间。\n鱼戏莲叶东，鱼戏莲叶西，鱼戏莲叶南，鱼戏莲叶北。",
        "def f(x):\n    return x\n\n\ndef g(x):\n    return x + 1\n",
        ">>> Context.abs(Decimal('2.1'))\nDecimal('2.1')\n>>> Context.abs(Decimal('-100'))\n"
        "Decimal('100')\n>>> Context.abs(Decimal('101.5'))\nDecimal('101.5')\nReturns the value.",
        "| a | b |\n|---|---|\n| 1 | 2 |",
        "Q: How many moons does Mars have?\nA: Two.",
        "",
    ],
)
def test_poems_refrains_and_code_survive(text: str, run_step: Run) -> None:
    assert run_step(step(), text)[0]["removed"] is None


def test_the_repetition_that_is_allowed(run_step: Run) -> None:
    song = REFRAIN.replace("Dare", "Could").replace("burning", ",burning")
    strict = quality.build(PrepareSettings(repetition=0.5))
    assert run_step(strict, song)[0]["removed"] == "repetitive: duplicate lines"
    assert run_step(step(), song)[0]["removed"] is None


def test_the_first_rule_that_fails_is_the_reason(run_step: Run) -> None:
    own = step("gopher", "fineweb")
    assert run_step(own, "no")[0]["removed"] == "quality: gopher words min"
    assert own.stats() == {"gopher words min": 1}
    assert own.report()["fineweb_ended_lines"]["alone"]["documents"] == 1
    assert own.report()["fineweb_ended_lines"]["first"]["documents"] == 0


def test_no_rules_remove_nothing(run_step: Run) -> None:
    own = quality.Quality(rules.chosen([]))
    assert run_step(own, "ha ha\n" * 99)[0]["removed"] is None
    assert own.report() == {}


def test_c4_deletes_lines_of_spaced_texts_only(run_step: Run) -> None:
    own = step("gentle", c4_lines=True)
    page = (
        "Menu\n  She walked up to the old house.\nPlease enable Javascript to see this page.\n\nBut"
    )
    page += " nobody was there to open it...\nNobody was there to open the door!\n"
    menu = "Home\nAbout us\nContact"
    result = run_step(own, page, FABLE, POEM, menu)
    assert result[0]["text"] == (
        "She walked up to the old house.\nNobody was there to open the door!"
    )
    assert [row["text"] for row in result[1:]] == [FABLE, POEM, menu]
    assert [row["removed"] for row in result] == [None, None, None, "quality: c4 lines"]
    assert own.stats() == {"changed": 1, "c4 lines": 1}
    assert run_step(step("gentle"), page)[0]["text"] == page
