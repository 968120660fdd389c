from __future__ import annotations

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from danlu.data import inputs
from danlu.errors import DataError

PNG = b"\x89PNG\r\n\x1a\n" + bytes(50)


def tree(root: Path, **contents: bytes) -> Path:
    for name, data in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def names(found: inputs.Found) -> list[str]:
    return [file.name for file in found.files]


def test_a_folder_is_sorted_and_what_is_no_text_is_counted(tmp_path: Path) -> None:
    tree(
        tmp_path,
        b_dot_txt=b"b",
        a__z_dot_jsonl=b"{}",
        a__a_dot_md=b"# a",
        notes=b"text without a suffix",
        utf16=b"h\x00i\x00\n\x00",
        photo_dot_png=PNG,
        renamed=PNG,
        core=bytes(99),
        empty_dot_txt=b"",
        _dot_hidden=b"x",
        _dot_git__config=b"x",
        LICENSE=b"the usual",
        a__COPYING_dot_txt=b"the usual",
    )
    found = inputs.expand([tmp_path])
    assert names(found) == ["a/a.md", "a/z.jsonl", "b.txt", "notes", "utf16"]
    assert [file.reader for file in found.files] == ["text", "jsonl", "text", "text", "text"]
    assert found.skipped == {
        "a PNG image": 1,
        "a binary file": 2,
        "a licence text": 2,
        "an empty file": 1,
        "hidden": 2,
    }
    assert found.bytes == sum(file.path.stat().st_size for file in found.files)


def test_compressed_files_are_known_by_their_content(tmp_path: Path) -> None:
    tree(
        tmp_path,
        a_dot_jsonl_dot_gz=gzip.compress(b"{}"),
        b_dot_csv=gzip.compress(b"a,b"),
        c_dot_gz=gzip.compress(b"text"),
        d_dot_gz=gzip.compress(PNG),
        e_dot_txt_dot_gz=b"not gzip at all",
        f_dot_gz=b"\x1f\x8b broken",
    )
    found = inputs.expand([tmp_path])
    assert [(f.name, f.reader, f.compression) for f in found.files] == [
        ("a.jsonl.gz", "jsonl", "gzip"),
        ("b.csv", "csv", "gzip"),
        ("c.gz", "text", "gzip"),
        ("e.txt.gz", "text", ""),
        ("f.gz", "text", "gzip"),
    ]


def test_links_in_circles_and_links_to_nothing(tmp_path: Path) -> None:
    tree(tmp_path, a__x_dot_txt=b"x")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "gone.txt").symlink_to(tmp_path / "nothing")
    (tmp_path / "y.txt").symlink_to(tmp_path / "a" / "x.txt")
    os.mkfifo(tmp_path / "pipe")
    found = inputs.expand([tmp_path])
    assert names(found) == ["a/x.txt"]
    assert found.skipped["a symlink to nothing"] >= 1
    assert found.skipped["given twice"] == 1
    assert found.skipped["a pipe, socket or device"] == 1


def test_paths_given_twice_and_globs(tmp_path: Path) -> None:
    tree(tmp_path, one_dot_txt=b"1", two_dot_txt=b"2", three_dot_md=b"3")
    found = inputs.expand([tmp_path / "two.txt", tmp_path, tmp_path / "*.txt"])
    assert names(found) == ["two.txt", "one.txt", "three.md"]
    odd = tree(tmp_path, **{"a[1]_dot_txt": b"x"}) / "a[1].txt"
    assert names(inputs.expand([odd])) == ["a[1].txt"]  # a file first, a pattern second


def test_equal_names_from_several_folders_stay_apart(tmp_path: Path) -> None:
    tree(tmp_path, a__t_dot_txt=b"1", b__t_dot_txt=b"2", c__b__t_dot_txt=b"3")
    found = inputs.expand([tmp_path / "a", tmp_path / "b", tmp_path / "c" / "b"])
    assert names(found) == ["t.txt", "b/t.txt", "t.txt~2"]


def test_the_output_inside_the_input_is_not_read(tmp_path: Path) -> None:
    tree(tmp_path, a_dot_txt=b"x", corpus__manifest_dot_json=b"{}")
    assert names(inputs.expand([tmp_path], skip=tmp_path / "corpus")) == ["a.txt"]


def test_options_reach_every_file(tmp_path: Path) -> None:
    tree(tmp_path, a_dot_txt=b"x")
    (file,) = inputs.expand([tmp_path], encoding="big5", text_field="body").files
    assert (file.encoding, file.text_field) == ("big5", "body")


def test_a_missing_path_gets_the_nearest_spelling(tmp_path: Path) -> None:
    tree(tmp_path, poems_dot_txt=b"x")
    with pytest.raises(DataError, match=r"no file or folder .*peoms\.txt") as error:
        inputs.expand([tmp_path / "peoms.txt"])
    assert error.value.fix == f"did you mean {tmp_path / 'poems.txt'}?"
    with pytest.raises(DataError) as error:
        inputs.expand([tmp_path / "nowhere" / "a.txt"])
    assert "there is no folder" in error.value.fix


def test_folders_without_text(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no text in the folder") as error:
        inputs.expand([tmp_path / "empty"])
    assert "an empty folder" in str(error.value)
    tree(tmp_path, pictures__a_dot_png=PNG, pictures__b_dot_jpg=PNG, pictures__c=PNG)
    with pytest.raises(DataError, match="no text in the folder") as error:
        inputs.expand([tmp_path / "pictures"])
    assert "1 × a PNG image, 2 × a binary file" in str(error.value)


def test_a_binary_file_that_the_user_names_is_an_error(tmp_path: Path) -> None:
    path = tree(tmp_path, photo=PNG) / "photo"
    with pytest.raises(DataError, match="photo is not text") as error:
        inputs.expand([path])
    assert "a PNG image" in str(error.value)


@pytest.mark.parametrize("method", ["iterdir", "open"])
def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    tree(tmp_path, a_dot_txt=b"x")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, method, refuse)
    with pytest.raises(DataError, match="permission denied"):
        inputs.expand([tmp_path])


def test_a_file_that_vanishes_before_it_is_looked_at(tmp_path: Path) -> None:
    assert inputs.examine(tmp_path / "gone.txt", "gone.txt") == "a file that vanished"


def test_fingerprints_change_with_the_files(tmp_path: Path) -> None:
    tree(tmp_path, a_dot_txt=b"x", b_dot_txt=b"y")
    before = inputs.fingerprints(inputs.expand([tmp_path]).files)
    assert before == inputs.fingerprints(inputs.expand([tmp_path]).files)
    (tmp_path / "b.txt").write_bytes(b"yy")
    after = inputs.fingerprints(inputs.expand([tmp_path]).files)
    assert before["a.txt"] == after["a.txt"]
    assert before["b.txt"] != after["b.txt"]
