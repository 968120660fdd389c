"""Settings: every mistake at once, with its line; nothing dangerous in YAML; flags over files."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field

from danlu import config, discover
from danlu.commands import finetune, prepare, pretrain
from danlu.config import Config, parse_yaml
from danlu.errors import ConfigError

RECIPES = Path(__file__).parents[1] / "recipes"


class Inner(Config):
    lr: float = Field(1e-3, gt=0)
    """Learning rate."""

    steps: int = 3


class Outer(Config):
    inner: Inner = Inner()
    name: str = "x"
    words: tuple[str, ...] = ()


def problems(text: str, cls: type[Config] = Outer) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse_yaml(cls, text, source="a.yaml")
    return caught.value.what.split("\n")


def test_five_mistakes_are_reported_at_once_with_their_lines() -> None:
    text = "naem: x\ninner:\n  lrr: 1\n  lr: -1\n  steps: twenty\nname: 3\n"

    found = problems(text)

    assert [line.split(": ")[0] for line in found] == [f"a.yaml:{n}" for n in (1, 3, 4, 5, 6)]
    assert "did you mean 'name'?" in found[0]
    assert "did you mean 'lr'?" in found[1]
    assert "greater than 0" in found[2]
    assert "(got 'twenty')" in found[3]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nname: b", "key given twice"),
        ("a: &x [1]\nwords: *x", "alias *x is not allowed"),
        ("name: !!python/object/apply:os.system [ls]", "is not allowed"),
        ("name: [1, 2", "not YAML"),
        ("- 1\n- 2", "holds no settings"),
        ("name: " + "[" * 30 + "]" * 30, "nested deeper"),
        ("name: 'a", "not YAML"),
        ("name: 2024-01-01T", ""),
    ],
)
def test_what_yaml_may_not_hold(text: str, message: str) -> None:
    if message:
        assert any(message in line for line in problems(text))
    else:
        assert parse_yaml(Outer, text).name == "2024-01-01T"


def test_billions_of_laughs_are_refused_quickly() -> None:
    lines = ["a: &a [x, x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [*{chr(97 + n)}, *{chr(97 + n)}]" for n in range(20)]

    assert any("alias" in line for line in problems("\n".join(lines)))


@pytest.mark.parametrize(
    ("text", "value"), [("1e-2", 0.01), ("0.5", 0.5), (".5", 0.5), ("3", 3.0), ("1_000.0", 1000.0)]
)
def test_numbers_are_read_as_numbers(text: str, value: float) -> None:
    assert parse_yaml(Outer, f"inner:\n  lr: {text}").inner.lr == value


def test_no_and_off_are_words() -> None:
    assert parse_yaml(Outer, "name: no").name == "no"


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}"])
def test_an_empty_file_is_all_defaults(text: str) -> None:
    assert parse_yaml(Outer, text) == Outer()


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        config.read(Outer, tmp_path / "none.yaml")

    (tmp_path / "big.yaml").write_bytes(b"#" * (1 << 20) + b"\n#")
    with pytest.raises(ConfigError, match="too large"):
        config.read(Outer, tmp_path / "big.yaml")

    (tmp_path / "odd.yaml").write_bytes("name: 你好".encode("gb18030"))
    with pytest.raises(ConfigError, match="not UTF-8"):
        config.read(Outer, tmp_path / "odd.yaml")


def test_written_and_read_back_is_equal() -> None:
    made = Outer(name="名: #x", inner=Inner(lr=3e-9), words=("a", "b: c"))

    assert parse_yaml(Outer, config.dump(made)) == made


def test_flags_override_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: file\ninner: {lr: 0.5}\n")

    made = config.parse(Outer, [str(path), "--name", "flag"], prog="danlu x")

    assert (made.name, made.inner.lr) == ("flag", 0.5)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_a_config_or_a_config_error(text: str) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_yaml(Outer, text), Outer)


@settings(max_examples=100, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(["inner", "name", "lr", "words"]), inner, max_size=3)
        ),
    )
)
def test_any_yaml_gives_a_config_or_a_config_error(value: object) -> None:
    with contextlib.suppress(ConfigError):
        assert isinstance(parse_yaml(Outer, yaml.safe_dump(value)), Outer)


@pytest.mark.parametrize("name", discover.names("danlu.commands"))
def test_no_command_has_more_than_60_settings_or_three_levels(name: str) -> None:
    command = discover.find("danlu.commands", name, "command")

    def count(cls: type[Config], depth: int) -> int:
        assert depth <= 2, f"{name} is {depth} levels deep"
        total = 0
        for key, field in cls.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, Config):
                total += count(kind, depth + 1)
            else:
                total += 1
                assert field.description, f"{name}: {key} has no help text"
        return total

    assert count(command.Config, 1) <= 60


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda p: p.stem)
def test_every_recipe_is_a_complete_experiment(path: Path) -> None:
    keys = yaml.safe_load(path.read_text())
    cls: type[Config] = pretrain.Config
    if "base" in keys or "steps" in keys:
        cls = finetune.Config if "base" in keys else prepare.Config

    made = config.read(cls, path)

    assert parse_yaml(cls, config.dump(made)) == made
