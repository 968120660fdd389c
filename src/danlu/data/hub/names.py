"""Names of data sets on the Hugging Face hub.

hf:owner/name                   the data set's default configuration, its split `train`
hf:owner/name/config            another configuration, such as a language or a date
hf:owner/name/config@split      another split; also hf:owner/name@split
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from danlu.errors import DataError

PREFIX = "hf:"

_NAME = re.compile(r"hf:(?P<repo>[\w.-]+/[\w.-]+)(/(?P<config>[^/@]+))?(@(?P<split>[^/@]+))?")


@dataclass(frozen=True, slots=True)
class Name:
    """What a user writes; an empty `config` or `split` is the data set's own choice."""

    repo: str
    config: str = ""
    split: str = ""

    def __str__(self) -> str:
        """As it is written."""
        config, split = self.config and f"/{self.config}", self.split and f"@{self.split}"
        return f"{PREFIX}{self.repo}{config}{split}"


def is_name(given: Path | str) -> bool:
    """Whether a path is the name of a data set; `hf://…`, with slashes, is a file's address."""
    text = given.as_posix() if isinstance(given, Path) else given
    return text.startswith(PREFIX) and not text.startswith(f"{PREFIX}/")


def parse(text: str) -> Name:
    """The parts of a name.

    >>> parse("hf:wikimedia/wikipedia/20231101.zh@train")
    Name(repo='wikimedia/wikipedia', config='20231101.zh', split='train')
    >>> str(parse("hf:owner/name@test"))
    'hf:owner/name@test'

    Raises:
        DataError: it is spelled otherwise.
    """
    match = _NAME.fullmatch(text)
    if match is None:
        raise DataError(
            f"{text} is not the name of a data set",
            expected="hf:owner/name, hf:owner/name/config or hf:owner/name/config@split",
            fix="take owner/name from the head of its page on the hub; old names without an owner "
            "have one there too",
        )
    return Name(match["repo"], match["config"] or "", match["split"] or "")
