from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from data_examples import FABLE, POEM
from hypothesis import given
from hypothesis import strategies as st

from danlu import config
from danlu.data import code_lines, han_scripts, scripts, word_languages
from danlu.data.frequent_words import LETTERS, WORDS
from danlu.data.settings import LANGUAGES, LanguageSettings, PrepareSettings
from danlu.data.steps import language
from danlu.errors import ConfigError

Run = Callable[..., list[dict[str, Any]]]

TEXTS = {
    "zh-Hans": [
        "他们说汉语。",
        "举头望明月",
        "这个",
        "北京大学的学生",
        "我喜欢 Python 和 TensorFlow",
        "“好”",
    ],
    "zh-Hant": [
        "他們說漢語。",
        "舉頭望明月",
        "這個",
        "子曰：「學而時習之」",
        "妳好",
        "「好」",
        "ㄅㄆㄇ",
    ],
    "en": ["Hi, how are you?", "Run!", "It's late.", FABLE, "The café is naïve.", "Don't"],
    "ja": [
        *(
            "吾輩は猫である。",
            "名前はまだ無い。",
            "古池や蛙飛びこむ水の音",
            "春はあけぼの。",
            "雨ニモマケズ",
        ),
        *(
            "ゆく河の流れは絶えずして",
            "カメラ",
            "東京へ行きます。",
            "売店",
            "総合駅",
            "ｶﾒﾗ",
            "猫が好き",
        ),
    ],
    "ko": ["안녕하세요", "나는 학생이다."],
    "ru": ["Я не знаю.", "Война и мир"],
    "uk": ["Я не знаю, що це є."],
    "ar": ["مرحبا بكم"],
    "fa": ["این کتاب را به من بده"],
    "hi": ["यह क्या है?"],
    "th": ["สวัสดีครับ"],
    "el": ["Καλημέρα κόσμε"],
    "he": ["שלום עולם"],
    "de": ["Das Wetter ist schön.", "Ich weiß es nicht.", "Straße"],
    "fr": ["Il fait beau aujourd'hui.", "Où est la gare ?"],
    "es": ["¿Dónde está la estación?", "No lo sé."],
    "other": ["Jag vet inte vad det är.", "Tôi không biết.", "გამარჯობა", "Nie wiem, co to jest."],
    "und": ["", "1234 5678", "😀😀", "... --- ...", "Zzz"],
    "code": [
        "def double(x):\n    return 2 * x\n",
        "import os\n\nprint(os.sep)",
        "int main(void) {\n  return 0;\n}",
        "const x = [1, 2];\nconsole.log(x);",
        "# 计算平方\ndef square(x):\n    return x * x",
        "SELECT name FROM people WHERE age > 3;",
        '{\n  "a": 1,\n  "b": [2, 3],\n  "c": {}\n}',
    ],
}
"""By the right answer; Chinese also with Latin words, code also with Chinese comments."""


@pytest.mark.parametrize("name", TEXTS)
def test_short_texts(name: str, run_step: Run) -> None:
    step = language.Language()
    result = run_step(step, *TEXTS[name])
    assert {row["text"]: row["lang"] for row in result} == dict.fromkeys(TEXTS[name], name)
    size = sum(len(text.encode()) for text in TEXTS[name])
    assert step.stats() == {name: len(TEXTS[name]), f"bytes {name}": size}
    assert name in LANGUAGES


def test_both_scripts_of_a_poem(run_step: Run) -> None:
    simplified = POEM.replace("舉", "举").replace("頭", "头").replace("鄉", "乡")
    found = [row["lang"] for row in run_step(language.Language(), POEM, simplified)]
    assert found == ["zh-Hant", "zh-Hans"]


def test_characters_of_both_scripts_are_counted(run_step: Run) -> None:
    step = language.Language()
    assert run_step(step, "床前明月光，疑是地上霜。")[0]["lang"] == "zh-Hans"
    assert step.stats()["zh in common characters"] == 1


def test_a_little_kana_is_not_japanese(run_step: Run) -> None:
    text = "这家叫做「さくら」的小店开在大学旁边，老板是一位从京都来的老先生，做了三十年的点心。"
    assert run_step(language.Language(), text)[0]["lang"] == "zh-Hans"


def test_prose_about_code_is_prose(run_step: Run) -> None:
    texts = [
        "To read a file, call open(path) and then read() on what it returns; close it afterwards.",
        "for example, if you import it, return it.\nThe class was full; the function began.",
        "Call f(x).\n\n    >>> f(2)\n\nThe result is a number.\nIt is never negative.\nSee also g."
        "\nIt was added in version 3.\nOther numbers work as well.\nSo do names.",
    ]
    assert [row["lang"] for row in run_step(language.Language(), *texts)] == ["en"] * 3


def test_what_the_reader_of_code_says_decides(run_step: Run) -> None:
    assert run_step(language.Language(), FABLE, code_language="Python")[0]["lang"] == "code"
    assert run_step(language.Language(), FABLE, title='"code_language": x')[0]["lang"] == "en"
    assert run_step(language.Language(), FABLE, code="A-17", codec="x")[0]["lang"] == "en"


def test_what_is_kept(run_step: Run) -> None:
    texts = (FABLE, POEM, "猫が好き", "举头望明月")
    result = run_step(language.Language(("en", "zh")), *texts)
    assert [row["removed"] for row in result] == [None, None, "language: ja", None]
    result = run_step(language.Language(("zh-Hans",)), *texts)
    expected = ["language: en", "language: zh-Hant", "language: ja", None]
    assert [row["removed"] for row in result] == expected
    assert [row["lang"] for row in result] == ["en", "zh-Hant", "ja", "zh-Hans"]


def test_settings() -> None:
    assert language.build(PrepareSettings(language=LanguageSettings(keep=("ja",)))).keep == {"ja"}
    with pytest.raises(ConfigError, match="zh-Hans"):
        config.parse_yaml(PrepareSettings, "language: {keep: [zh-hans]}")


@given(st.lists(st.text()))
def test_counts_are_those_of_one_character_after_the_other(texts: list[str]) -> None:
    table = scripts.table()
    found = scripts.counts(texts)
    assert found.shape == (len(texts), len(scripts.Kind))
    for text, row in zip(texts, found, strict=True):
        assert Counter({k: n for k, n in enumerate(row.tolist()) if n}) == Counter(
            int(table[ord(character)]) for character in text
        )


@given(st.lists(st.lists(st.sampled_from(["the", "ist", "été", "no", "de", "kat", "Ñ", "7", "¿"]))))
def test_words_are_weighed_as_one_after_the_other(words: list[list[str]]) -> None:
    texts = [" ".join(some) for some in words]
    found = word_languages.languages(pa.array(texts, pa.string()))
    assert found == [slow_language(text) for text in texts]


def slow_language(text: str) -> str:
    """What `word_languages` does for Latin, word by word."""
    scores = dict.fromkeys(WORDS["latin"], Fraction())

    def count(key: str, owners: list[str], worth: Fraction) -> None:
        for name in owners:
            scores[name] += worth / len(owners)

    tokens = [word.strip(word_languages.AROUND) for word in text.lower().split()]
    for word in tokens:
        count(
            word, [n for n, known in WORDS["latin"].items() if word in known.split()], Fraction(1)
        )
    best_of_words = max(scores.values())
    half = Fraction(1, 2)
    for letter in text.lower():
        count(letter, [n for n in WORDS["latin"] if letter in LETTERS.get(n, "")], half)
    many = sum(map(bool, tokens)) >= word_languages.ENOUGH_WORDS
    if many and best_of_words < word_languages.ENOUGH_SHARE * sum(map(bool, tokens)):
        return "und" if text.isascii() else "other"
    best = max(scores, key=lambda name: round(scores[name], 9))
    named = best if best in word_languages.NAMED else "other"
    return named if scores[best] else "und"


def test_characters_of_one_script_as_opencc_has_them() -> None:
    opencc = pytest.importorskip("opencc")
    to_simplified, to_traditional = (opencc.OpenCC(name).convert for name in ("t2s", "s2t"))
    assert all(to_simplified(c) != c for c in han_scripts.TRADITIONAL)
    assert all(to_traditional(c) != c for c in han_scripts.SIMPLIFIED)
    sets = [han_scripts.SIMPLIFIED, han_scripts.TRADITIONAL, han_scripts.JAPANESE]
    assert len(set("".join(sets))) == sum(map(len, sets)), "each stands once, in one set"


def test_share_of_code_lines() -> None:
    assert code_lines.share("x = f(1)\nx -= 2\nThis is prose.\nMore of it") == 0.5
    module = (
        "def f():\n" + '    """What it does.' + "\n\n    And why." * 9 + '\n    """\n    return 1\n'
    )
    assert code_lines.share(module) == 1
    assert code_lines.share("") == code_lines.share("&lt;#&gt;") == 0


@pytest.mark.parametrize(
    "piece", [" ", "\t\n", "a", "(", "x = ", '"""', "if ", '"', "a.", "=", "<a"]
)
def test_hostile_texts_are_no_trap(piece: str, run_step: Run) -> None:
    began = time.monotonic()
    run_step(language.Language(), piece * (1_000_000 // len(piece)), (piece * 99 + "\n") * 5_000)
    assert time.monotonic() - began < 2


def test_a_batch_without_rows_to_look_at() -> None:
    found, common = language.languages(pa.array([], pa.string()), pa.array([], pa.string()))
    assert (found, common) == ([], 0)
    assert np.array_equal(scripts.counts([]), np.zeros((0, len(scripts.Kind))))
