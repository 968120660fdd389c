from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from danlu.data import inputs, places
from danlu.data.source_file import Member, SourceFile

MEMBER = Member("tar", "a/b.txt", 1024, "zstd", 5000)


@pytest.mark.parametrize(
    "file",
    [
        SourceFile(Path("/texts/a.txt"), "a.txt", "text", 5, 123),
        SourceFile(Path("a.gz"), "a.gz", "csv", 5, 1, "gzip", "big5", "body", "group"),
        SourceFile(Path("a"), "a/b.txt", "text", 5, 0, url="s3://x/a", version="e", member=MEMBER),
    ],
)
def test_there_and_back_as_json(file: SourceFile) -> None:
    file.notes["encoding"] = "UTF-8"
    text = json.dumps(file.as_json())
    again = SourceFile.from_json(json.loads(text))
    assert again == file
    assert again.notes == {}
    assert "notes" not in text
    assert inputs.fingerprints([again]) == inputs.fingerprints([file])


def test_containers() -> None:
    plain = SourceFile(Path("/texts/a.txt"), "a.txt", "text", 5, 123)
    inside = SourceFile(Path("a"), "a/b.txt", "text", 5, 0, url="s3://x/a", member=MEMBER)
    assert (plain.container, inside.container) == ("/texts/a.txt", "s3://x/a")
    assert (plain.is_plain, inside.is_plain) == (True, False)


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:  # noqa: PTH123
        file.write(b"x")
    (found,) = inputs.expand([tmp_path]).files
    assert found.name == "caf\ufffd.txt"
    assert found.path.read_bytes() == b"x"
    assert SourceFile.from_json(json.loads(json.dumps(found.as_json()))) == found


def test_a_path_setting_takes_paths_and_urls() -> None:
    from danlu.commands.prepare import Config

    given = (Path("texts"), "s3://bucket/a//b", "https://host/a/?x=1")
    assert Config(paths=given).paths == ("texts", *given[1:])
    assert places.TextPath
