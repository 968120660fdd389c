"""Every rule fails what it should and nothing else; names and limits are chosen as written."""

from __future__ import annotations

import subprocess
import sys

import pyarrow as pa
import pytest
import quality_controls as controls

from danlu.config import dump, parse, parse_yaml
from danlu.data.quality import rules
from danlu.data.quality.measures import Measures
from danlu.data.settings import PrepareSettings
from danlu.errors import ConfigError, UnknownName


def failed(text: str, *names: str, repetition: float = 1.0) -> list[str]:
    measures = Measures(pa.array([text]))
    return [
        rule.name
        for rule in rules.chosen(names, repetition=repetition)
        if measures.judged(rule.judges)[0] and rule.fails(rule.value(measures))[0]
    ]


@pytest.mark.parametrize("name", rules.rules())
def test_a_text_fails_this_rule_alone(name: str) -> None:
    assert failed(controls.FAILING[name], name.split("_")[0]) == [name]
    assert failed(controls.FAILING[name], name) == [name]


@pytest.mark.parametrize("preset", rules.presets())
def test_ordinary_texts_pass(preset: str) -> None:
    assert failed(controls.ARTICLE, preset) == []
    assert failed(controls.CHINESE_ARTICLE, preset) == []
    assert failed(controls.TRADITIONAL, preset) == []


def test_names_begin_with_their_preset_and_are_used_once() -> None:
    listed = [rule.name for preset in rules.presets().values() for rule in preset]
    assert len(listed) == len(set(listed)) == len(rules.rules())
    for preset, members in rules.presets().items():
        assert all(rule.name.startswith(f"{preset}_") for rule in members)
        assert all(rule.unit and rule.source for rule in members)


def test_rules_of_one_language_do_not_judge_the_other() -> None:
    assert failed("明月。" * 9, "gopher", "c4", "fineweb", "-gopher_duplicate_lines") == []
    assert failed("moon. " * 9, "chinese") == []


def test_rules_are_chosen_and_left_out_in_order() -> None:
    chosen = rules.chosen(["gentle", "c4_braces", "no-gentle_one_phrase", "-gentle_compressible"])
    assert [rule.name for rule in chosen] == [
        "gentle_duplicate_lines",
        "gentle_duplicate_phrases",
        "c4_braces",
    ]
    assert rules.chosen(["gentle", "-gentle"]) == rules.chosen([]) == ()
    assert rules.chosen(["gentle", "gentle"]) == rules.chosen(["gentle"])


def test_limits_and_the_factor_of_repetition() -> None:
    lines, phrase, _, small = rules.chosen(["gentle"], {"gentle_one_phrase": 0.7}, repetition=2.0)
    assert (lines.limit, phrase.limit, small.limit) == (0.6, 0.7, 0.06)
    (words,) = rules.chosen(["gopher_words_min"], repetition=2.0)
    assert words.limit == 50
    assert failed("Home | About\n" * 9, "gentle", repetition=9) == []


def test_a_value_at_the_limit() -> None:
    text = "\n".join(f"Line {n:25}." for n in range(33)) + "\n" + "\n".join(map(str, range(67)))
    assert failed(text, "fineweb_short_lines") == ["fineweb_short_lines"]  # 0.67, as the paper says
    assert failed(" ".join(map(str, range(50))), "gopher_words_min") == []
    assert failed(" ".join(map(str, range(49))), "gopher_words_min") == ["gopher_words_min"]


@pytest.mark.parametrize(
    ("names", "limits", "error", "message"),
    [
        (["gofer"], {}, UnknownName, "did you mean 'gopher'?"),
        (["gopher_stopwords"], {}, UnknownName, "did you mean 'gopher_stop_words'?"),
        (["gentle", "-c4_brace"], {}, UnknownName, "did you mean 'c4_braces'?"),
        (["gentle"], {"gopher_word_min": 3}, UnknownName, "did you mean 'gopher_words_min'?"),
        (["gentle", "-c4_braces"], {}, ConfigError, "c4_braces is left out"),
        (["gentle"], {"c4_braces": 3}, ConfigError, "c4_braces, which is not chosen"),
    ],
)
def test_names_that_cannot_be_meant(
    names: list[str], limits: dict[str, float], error: type[ConfigError], message: str
) -> None:
    with pytest.raises(error) as raised:
        rules.chosen(names, limits)
    assert message in str(raised.value)


def test_settings_from_yaml_and_from_flags() -> None:
    text = "quality: {rules: [gopher, -gopher_stop_words], limits: {gopher_words_min: 20}}"
    read = parse_yaml(PrepareSettings, text)
    assert read.quality.limits == {"gopher_words_min": 20}
    assert parse_yaml(PrepareSettings, dump(read)) == read
    flags = "--quality.rules gopher no-gopher_stop_words --quality.limits gopher_words_min 20"
    given = parse(PrepareSettings, flags.split(), prog="test").quality
    assert rules.chosen(given.rules, given.limits) == rules.chosen(
        read.quality.rules, read.quality.limits
    )
    with pytest.raises(ConfigError, match=r"(?s)quality.*did you mean 'gopher'"):
        parse_yaml(PrepareSettings, "quality: {rules: [gofer]}")


def test_settings_do_not_load_numpy() -> None:
    code = "import sys, danlu.data.settings; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
