"""Raw text to a corpus: read, clean step by step, hold some out, write.

Two passes, so that memory is bounded by a few hundred MB and not by the text: the first reads and
cleans into files beside the output, the second deals their rows out. Which documents are held out
is only known when all are read.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

import danlu
from danlu import discover, files, log
from danlu.data import inputs, mixture, parts, rows, split
from danlu.data.corpus import FORMAT, MANIFEST, Corpus, is_corpus, make_way, replacing
from danlu.data.inputs import Found, SourceFile
from danlu.data.reading import Reading
from danlu.data.settings import PrepareSettings
from danlu.data.sources import python_docs
from danlu.data.tally import Amount, Tally
from danlu.errors import ConfigError, DataError


def prepare(
    paths: Sequence[Path],
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    force: bool = False,
    disk: files.Disk | None = None,
) -> Corpus:
    """The corpus made from `paths` (none: Python's documentation), written to the folder `out`.

    Where the same settings and files made a corpus at `out` before, that one is opened.

    Raises:
        DataError: a file cannot be used, or nothing is left after cleaning.
        ConfigError: something else is at `out`; the message says what differs.
        ResourceError: the disk is full, or another process writes there.
    """
    settings, disk, out = settings or PrepareSettings(), disk or files.Disk(), out.absolute()
    found = look(paths, out, settings)
    steps = [
        discover.find("danlu.data.steps", name, "step").build(settings) for name in settings.steps
    ]
    recipe = {
        **settings.model_dump(mode="json", include=set(PrepareSettings.model_fields)),
        "steps": [f"{step.name} {step.version}" for step in steps],
        "source": "files" if paths else "python_docs",
    }
    if not settings.mix:
        del recipe["mix"]  # as in corpora made before there were mixtures
    mix = mixture.assign(settings.mix, [(f.given, f.source) for f in found.files])
    if not force and (same := _existing(out, recipe, found.files)):
        log.say(f"{out} holds this corpus already: nothing to do")
        return same
    make_way(out, force=force)
    log.say(f"reading {len(found.files):,} files, {log.size(found.bytes)}")
    started = time.monotonic()
    limit = round(settings.python_docs_mb * 1e6)
    reading = Reading(found.files, python_docs_bytes=limit, mix=mix)
    tally = Tally()
    disk.mkdir(out.parent)
    with replacing(out, disk) as folder:
        spool = parts.Parts(folder, "spool", disk, sync=False)
        decided = _clean(reading, steps, tally, spool, settings)
        record, amounts = _deal(folder, list(spool.files), decided, disk)
        manifest = {
            "format": FORMAT,
            "kind": "corpus",
            "danlu": danlu.__version__,
            "recipe": recipe,
            "sources": reading.sources(),
            "skipped": found.skipped,
            "duplicate_ids": reading.duplicate_ids,
            **tally.as_json(steps),
            "split_by": decided.by,
            "files": record,
        }
        if settings.mix:
            manifest["mixture"] = _mixture(folder, record, settings.mix)
        manifest["counts"] |= {name: amounts[name].as_json() for name in split.NAMES}
        disk.write(folder / MANIFEST, files.json_bytes(manifest))
    _say(reading, tally, amounts, decided, time.monotonic() - started)
    return Corpus.open(out)


def look(paths: Sequence[Path], out: Path, settings: PrepareSettings) -> Found:
    """The files that would be read, without reading them.

    Raises:
        DataError: a path is missing, or holds no text.
    """
    if not paths:
        return Found(python_docs.find(), {})
    return inputs.expand(
        paths, encoding=settings.encoding, text_field=settings.text_field, skip=out
    )


def _clean(
    reading: Reading,
    steps: Sequence[rows.Step],
    tally: Tally,
    spool: parts.Parts,
    settings: PrepareSettings,
) -> split.Split:
    """First pass: every document through every step into the spool; then the split is known."""
    batches = tally.watch_read(rows.batches(reading.documents()))
    for step in steps:
        batches = tally.watch_step(step, step(batches))
    by_file: dict[str, int] = {}
    by_document: dict[str, int] = {}
    for batch in tally.watch_result(batches):
        spool.add(batch)
        kept = batch.filter(pc.is_null(batch.column("removed")))
        sizes = pc.binary_length(kept.column("text")).to_pylist()
        for file, size in zip(kept.column("file").to_pylist(), sizes, strict=True):
            by_file[file] = by_file.get(file, 0) + size
        by_document.update(zip(kept.column("id").to_pylist(), sizes, strict=True))
    spool.close()
    if not tally.kept.documents:
        raise DataError(
            "nothing is left of the text",
            got=tally.funnel() if tally.read.documents else "files without any text in them",
            expected="documents that pass the cleaning",
            fix="lower --min-characters, raise --repetition, or leave out a step with --steps",
        )
    return split.decide(by_file, by_document, settings.held_out)


def _deal(
    folder: Path, spooled: Sequence[str], decided: split.Split, disk: files.Disk
) -> tuple[dict[str, Any], dict[str, Amount]]:
    """Second pass: the spool's rows into the files of each part; the spool is gone afterwards."""
    writers = {name: parts.Parts(folder, name, disk) for name in (*split.NAMES, "removed")}
    amounts = {name: Amount() for name in writers}
    for name in spooled:
        for batch in parts.read(folder / name):
            for part, some in _by_part(batch, decided):
                writers[part].add(some)
                amounts[part].add(some.column("text"))
        disk.unlink(folder / name)
    record: dict[str, Any] = {}
    for writer in writers.values():
        record |= writer.close()
    return record, amounts


def _mixture(
    folder: Path, record: Mapping[str, Any], weights: Mapping[str, float]
) -> list[dict[str, Any]]:
    """How often each source will be read; by bytes, tokens are not known yet."""
    names = sorted(name for name in record if name.startswith("train-"))
    batches = (b for name in names for b in parts.read(folder / name, ["text", "meta"]))
    planned = mixture.plan(mixture.sizes(batches), weights)
    mixture.warn(planned)
    return [part.as_json("bytes") for part in planned]


def _by_part(batch: pa.RecordBatch, decided: split.Split) -> Iterator[tuple[str, pa.RecordBatch]]:
    columns = (batch.column(name).to_pylist() for name in ("id", "file", "removed"))
    where = pa.array(
        "removed" if reason else decided.of(own_id, file)
        for own_id, file, reason in zip(*columns, strict=True)
    )
    for part in (*split.NAMES, "removed"):
        yield part, batch.filter(pc.equal(where, part))


def _existing(out: Path, recipe: Mapping[str, Any], listed: Sequence[SourceFile]) -> Corpus | None:
    """The corpus at `out` if it was made just like this; None if nothing is there.

    Raises:
        ConfigError: another corpus is there.
        DataError: it is this one, but a file of it is missing or truncated.
    """
    if not is_corpus(out):
        return None
    manifest = files.read_json(out / MANIFEST)
    if differences := _differences(manifest, recipe, listed):
        raise ConfigError(
            f"{out} holds a corpus that was made otherwise",
            got="; ".join(differences[:5])
            + (f"; and {len(differences) - 5} more" if len(differences) > 5 else ""),
            expected="the same settings and files, or another folder",
            fix="--force to replace it, or another --out",
        )
    return Corpus.open(out)


def _differences(
    manifest: Mapping[str, Any], recipe: Mapping[str, Any], listed: Sequence[SourceFile]
) -> list[str]:
    """In words, what is not as it was when the corpus was made.

    Of Python's documentation only the packages that were read count: installing another one later
    makes no other corpus.
    """
    old = manifest.get("recipe", {})
    names = dict.fromkeys([*old, *recipe])
    changes = [f"{n}: {old.get(n)} → {recipe.get(n)}" for n in names if old.get(n) != recipe.get(n)]
    before = {row["file"]: row["fingerprint"] for row in manifest.get("sources", [])}
    now = inputs.fingerprints(listed)
    if recipe["source"] == old.get("source"):
        changes += [f"{name}: gone" for name in before if name not in now]
        changes += [f"{n}: changed" for n in before if n in now and before[n] != now[n]]
        if recipe["source"] == "files":
            changes += [f"{name}: new" for name in now if name not in before]
    return changes


def _say(
    reading: Reading,
    tally: Tally,
    amounts: Mapping[str, Amount],
    decided: split.Split,
    seconds: float,
) -> None:
    """The story of what was done, after it is done."""
    reading.say_what_was_odd()
    rate = log.size(tally.read.bytes / max(seconds, 1e-3))
    log.say(
        f"read {tally.read.documents:,} documents, {log.size(tally.read.bytes)} "
        f"in {log.duration(seconds)} ({rate}/s)"
    )
    for reason, removal in sorted(tally.removed.items()):
        log.say(f"removed {removal.amount.documents:,} × {reason}")
    train, held_out = amounts["train"], amounts["held_out"]
    log.say(
        f"train on {train.documents:,} documents ({log.size(train.bytes)}), held out "
        f"{held_out.documents:,} ({log.size(held_out.bytes)}), chosen by {decided.by}"
    )
