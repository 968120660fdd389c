"""Files that somebody who means harm, or a broken disk, would give; and what must then be said."""

from __future__ import annotations

import gzip
import io
import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from danlu import cli
from danlu.data.corpus import Corpus

WORDS = (  # noqa: SIM905 - easier to read
    "river lantern orchard window copper quiet harbour mountain letter garden winter silver "
    "bridge market story pepper engine violin forest candle"
).split()
LINES = [
    f"A fox number {n} saw ripe grapes on a vine near town {n * 7919 % 1000}." for n in range(600)
]
BODY = "\n".join(LINES).encode()
ACTING = "\x1b]0;owned\x07\x1b[2J\u202etxt.exe\u2066\x9b </script><script>alert(1)</script>"


def write_good(folder: Path, files: int = 6, paragraphs: int = 1) -> Path:
    """A folder of texts without a fault, no two alike."""
    folder.mkdir(parents=True, exist_ok=True)
    chance = random.Random(1)
    for number in range(files):
        text = "\n\n".join(
            f"Note {number}.{n}. " + " ".join(_sentence(chance) for _ in range(6))
            for n in range(paragraphs)
        )
        (folder / f"good-{number:02}.txt").write_text(text)
    return folder


def _sentence(chance: random.Random) -> str:
    return f"The {' '.join(chance.choices(WORDS, k=9))} {chance.random()}."


def _parquet(path: Path) -> None:
    pq.write_table(pa.table({"text": LINES}), path)
    path.write_bytes(path.read_bytes()[:-100])


def _zip(path: Path, name: str, data: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)


def _tar(path: Path, name: str) -> None:
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo(name)
        info.size = len(BODY)
        archive.addfile(info, io.BytesIO(BODY))


def _record(text: str) -> str:
    return json.dumps({"text": text}) + "\n"


BROKEN: dict[str, tuple[Callable[[Path], Any], str]] = {
    "cut.txt.gz": (lambda p: p.write_bytes(gzip.compress(BODY)[:2000]), "it was cut"),
    "cut.parquet": (_parquet, "not a complete parquet file"),
    "bomb.txt.gz": (lambda p: p.write_bytes(gzip.compress(b"bombs!!\n" * (2 << 20))), "bomb"),
    "bomb.zip": (lambda p: _zip(p, "a.txt", bytes(32 << 20)), "bomb"),
    "zeros.txt.gz": (lambda p: p.write_bytes(gzip.compress(bytes(32 << 20))), "not text"),
    "out.zip": (lambda p: _zip(p, "../../evil.txt", BODY), "leads out"),
    "out.tar": (lambda p: _tar(p, "../evil.txt"), "leads out"),
    "rubbish.zip": (lambda p: p.write_bytes(b"PK\x03\x04 rubbish"), "broken zip"),
    "line.jsonl": (lambda p: p.write_text(_record("word " * 8_000_000)), "one enormous line"),
    "bytes.txt": (
        lambda p: p.write_bytes("Größe. ".encode() * 99 + b"\xff\xc3(" + BODY),
        "byte 891",
    ),
    "json.jsonl": (lambda p: p.write_text(_record(LINES[0]) + '{"text": \n'), "not JSON"),
    "deep.jsonl": (lambda p: p.write_text("[" * 99_999 + "\n"), "nested too deep"),
    "digits.jsonl": (lambda p: p.write_text(f'{{"id": {"9" * 5000}}}\n'), "too many digits"),
    "short.warc": (
        lambda p: p.write_bytes(b"WARC/1.0\r\nContent-Length: -5\r\n\r\nx"),
        "not a complete web archive",
    ),
    "quote.csv": (lambda p: p.write_text('id,text\n1,"never closed\n' * 9), "not a row"),
}
"""By the name of a broken file: who writes it, and what is said of it."""


def content(corpus: Path) -> dict[str, bytes]:
    """The files with the texts of a corpus."""
    return {path.name: path.read_bytes() for path in sorted(corpus.glob("*.parquet"))}


def texts(corpus: Corpus) -> dict[str, str]:
    """What a corpus kept, by id."""
    return {d.id: d.text for part in ("train", "held_out") for d in corpus.documents(part)}


def names() -> list[str]:
    """What is in this folder."""
    return sorted(path.name for path in Path().iterdir())


def refusal(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    """What is said when a command must fail: one message, no traceback, nothing on stdout."""
    capsys.readouterr()
    assert cli.main([*map(str, words)]) == code
    said = capsys.readouterr()
    assert said.err.count("danlu: ") == 1, said.err
    assert "Traceback" not in said.err
    assert said.out == ""
    assert not Path("danlu-error.log").exists()
    return said.err


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    """As `refusal`; and no corpus is at `c`, nor half of one anywhere."""
    said = refusal(capsys, code, *words)
    assert not Path("c").exists()
    assert not any(name.endswith((".new", ".old")) for name in names())
    return said
