from __future__ import annotations

import json
from pathlib import Path

from danlu.data import examples
from danlu.data.settings import PrepareSettings


def test_every_file_gives_its_share(tmp_path: Path) -> None:
    for name, count in (("a.jsonl", 300), ("b.jsonl", 100)):
        lines = (json.dumps({"text": f"{name} {n:04}"}) for n in range(count))
        (tmp_path / name).write_text("\n".join(lines), "utf-8")
    some = examples.read(tmp_path, PrepareSettings(), characters=1000)
    of_a = [text for text in some.texts if text.startswith("a")]
    assert 1000 <= some.characters <= 1030
    assert len(of_a) == 3 * (len(some.texts) - len(of_a))
    assert some == examples.read(tmp_path, PrepareSettings(), characters=1000)
    everything = examples.read(tmp_path, PrepareSettings(), characters=1_000_000)
    assert len(everything.texts) == 400 and everything.digest != some.digest


def test_texts_are_repaired_as_those_of_the_corpus_are(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("caf\u00c3\u00a9 &amp; co", "utf-8")
    repaired = examples.read(path, PrepareSettings(), characters=100)
    as_it_is = examples.read(path, PrepareSettings(steps=("exact",)), characters=100)
    assert repaired.texts == ["café & co"] and as_it_is.texts == ["caf\u00c3\u00a9 &amp; co"]
