"""Raw text to a corpus: read, clean step by step, compare, hold some out, write.

The text goes through in portions, each a task of its own (`danlu.data.stages`), in this process,
in several, or on a cluster. What must be known of all portions at once, duplicates and the split,
is decided between the stages, from numbers on disk. So memory does not grow with the text, and
what was done before an interruption is not done again: it is kept in the folder `.NAME.work` beside
the output until the corpus is complete.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import danlu
from danlu import discover, files, log
from danlu.data import inputs, judging, mixture, parts, reading, rows, split
from danlu.data.advice import advice
from danlu.data.corpus import (
    FORMAT,
    MANIFEST,
    Corpus,
    check_shape,
    is_corpus,
    make_way,
    real_folder,
    swap,
)
from danlu.data.diversity import Diversity
from danlu.data.executors import Executor
from danlu.data.executors.serial import Serial
from danlu.data.inputs import Found, SourceFile
from danlu.data.judged import REASONS
from danlu.data.portions import Dealer
from danlu.data.settings import PERSONAL_KINDS, PrepareSettings
from danlu.data.sources import python_docs
from danlu.data.stages.deal import IN_HELD_OUT, SURVIVORS
from danlu.data.steps import contamination
from danlu.data.tally import Amount, Tally
from danlu.data.work import Task, Work, working
from danlu.errors import ConfigError, DataError

HELD_OUT = "held_out"
"""The last step: training text that repeats held-out text goes."""
NO_TEXT = "files without any text in them"
SAMPLE_BYTES = 600_000
"""About how much text diversity is measured on."""


def prepare(
    paths: Sequence[Path | str],
    out: Path,
    settings: PrepareSettings | None = None,
    *,
    force: bool = False,
    skip_broken: bool = False,
    executor: Executor | None = None,
    disk: files.Disk | None = None,
) -> Corpus:
    """The corpus made from `paths` (none: Python's documentation), written to the folder `out`.

    Where the same settings and files made a corpus at `out` before, that one is opened; where they
    were interrupted, it goes on.

    Raises:
        DataError: a file cannot be used, or nothing is left after cleaning.
        ConfigError: something else is at `out`; the message says what differs.
        ResourceError: the disk is full, or another process writes there.
    """
    settings, disk, out = settings or PrepareSettings(), disk or files.Disk(), real_folder(out)
    found = look(paths, out, settings, skip_broken=skip_broken)
    recipe = _recipe(settings, "files" if paths else "python_docs", skip_broken)
    if not force and (same := _existing(out, recipe, found.files)):
        log.say(f"{out} holds this corpus already: nothing to do")
        return same
    make_way(out, force=force)
    disk.mkdir(out.parent)
    with working(out, disk, first="clean") as work:
        plan = {
            "danlu": danlu.__version__,
            "settings": settings.model_dump(mode="json", include=set(PrepareSettings.model_fields)),
            "recipe": recipe,
            "skip_broken": skip_broken,
            "mix": mixture.assign(settings.mix, [(f.given, f.source) for f in found.files]),
            "comparisons": [step.name for step in rows.comparisons(settings)],
        }
        if work.start(plan):
            log.say("going on where it was interrupted")
        with executor or Serial() as running:
            _Preparation(work, found, recipe, running).run()
        work.give_up()
        swap(work.corpus, out, disk)
    return Corpus.open(out)


def look(
    paths: Sequence[Path | str], out: Path, settings: PrepareSettings, *, skip_broken: bool = False
) -> Found:
    """The files that would be read, without reading them.

    Raises:
        DataError: a path is missing, or holds no text.
        ConfigError: the corpus would be written where the text is.
    """
    if not paths:
        return Found(python_docs.find(), {})
    out = real_folder(out)
    for path in paths:
        if _is_same(path, out):
            raise ConfigError(
                "the corpus would be written where the text is",
                got=str(path),
                expected="a folder of its own; it may lie in the folder with the text",
                fix="another --out",
            )
    return inputs.expand(
        paths,
        encoding=settings.encoding,
        text_field=settings.text_field,
        skip=out,
        skip_broken=skip_broken,
    )


def _is_same(path: Path | str, folder: Path) -> bool:
    """Whether a path leads to a folder that is there."""
    try:
        return folder.samefile(path)
    except (OSError, ValueError):
        return False


class _Preparation:
    """One run of all stages."""

    def __init__(
        self, work: Work, found: Found, recipe: dict[str, Any], executor: Executor
    ) -> None:
        self.work, self.found, self.recipe, self.executor = work, found, recipe, executor
        self.settings = work.settings
        self.steps, self.comparisons = rows.steps(self.settings), rows.comparisons(self.settings)
        later = [comparison.name for comparison in self.comparisons]
        if "contamination" in self.settings.steps:
            later.append(HELD_OUT)
        self.tally = Tally([step.name for step in self.steps], later)
        self.account = reading.Account(broken=dict(found.broken))
        self.reports: dict[str, list[dict[str, Any]]] = {}
        self.portions = 0
        self.key = ""
        """What the work of the stages after `clean` depends on."""

    def run(self) -> None:
        """Every stage in turn; the corpus is in the work folder afterwards."""
        log.say(f"reading {len(self.found.files):,} files, {log.size(self.found.bytes)}")
        started = time.monotonic()
        self._clean()
        try:
            self._finish(started)
        except DataError:  # reading it again would not help
            self.work.drop("clean")
            raise

    def _finish(self, started: float) -> None:
        """Everything after cleaning."""
        if not self.tally.read.documents or not self._left().documents:
            raise self._nothing()
        judge = judging.Judge(
            self.work, self.executor, self.portions, self._left().documents, self.key
        )
        duplicates = judge.compare()
        most = 1e6 * self.settings.held_out_mb / self._left().bytes
        decided = judge.decide(min(self.settings.held_out, most))
        judge.hold_out(decided, look_for="contamination" in self.settings.steps)
        shown, record = self._deal(decided)
        if not self.tally.kept.documents:
            raise self._nothing()
        mine = {
            "duplicates": duplicates,
            "diversity": self._diversity(),
            "split_by": decided.by,
            "survivors": [document for _, document in shown],
            "files": record,
        }
        if self.settings.mix:
            mine["mixture"] = self._mixture(record)
        manifest = files.json_bytes(self._manifest() | mine)
        self.work.disk.unlink(self.work.corpus / MANIFEST)
        self.work.disk.write(self.work.corpus / MANIFEST, manifest)
        self.work.disk.fsync_dir(self.work.corpus)
        self._say(decided, time.monotonic() - started)

    def _clean(self) -> None:
        dealer = Dealer(self.work, self.found.files)
        done = 0
        total = self.found.bytes / 1e6
        with log.Progress("cleaning", total, unit="MB") as progress:
            for _, result in self.executor.results(self.work, dealer.deal()):
                self.tally.cleaned(result)
                self.account.add(result["account"])
                for name, report in result["reports"].items():
                    self.reports.setdefault(name, []).append(report)
                done += result["rows"]
                at = self.tally.read.bytes / 1e6
                progress.update(min(at, total), f"{done:,} documents", total=max(total, at))
        self.account.add(dealer.account.as_json())
        self.portions = len(dealer.tasks)
        self.key = files.hash_of([task.key for task in dealer.tasks])

    def _left(self) -> Amount:
        """What is left after the steps."""
        names = self.tally.steps
        return self.tally.kept_after[names[-1]] if names else self.tally.read

    def _deal(self, decided: split.Split) -> tuple[list[Any], dict[str, Any]]:
        """Write the corpus; returns the documents to show, and the files."""
        given = {
            "portions": self.portions,
            "split": decided.as_json(),
            "sample": min(1.0, SAMPLE_BYTES / max(self.tally.read.bytes, 1)),
        }
        self.work.disk.mkdir(self.work.corpus)
        key = files.hash_of(self.key, given)
        tasks = [Task("deal", n, key, given) for n in range(self.portions)]
        shown: list[Any] = []
        record: dict[str, Any] = {}
        for _, result in self.executor.results(self.work, tasks):
            self.tally.dealt(result)
            record |= result["files"]
            shown = sorted([*shown, *result["shown"]], key=lambda e: (e[0], e[1]["id"]))[:SURVIVORS]
        return shown, dict(sorted(record.items()))

    def _mixture(self, record: Mapping[str, Any]) -> list[dict[str, Any]]:
        """How often each source will be read; by bytes, tokens are not known yet."""
        names = sorted(name for name in record if name.startswith("train-"))
        batches = (b for n in names for b in parts.read(self.work.corpus / n, ["text", "meta"]))
        planned = mixture.plan(mixture.sizes(batches), self.settings.mix)
        mixture.warn(planned)
        return [part.as_json("bytes") for part in planned]

    def _diversity(self) -> dict[str, Any]:
        """Diversity of a sample before cleaning and after, and what it suggests."""
        given = {"portions": self.portions}
        key = files.hash_of(self.key, self.work.plan)
        tasks = [Task("diversity", n, key, given) for n in range(2)]
        measured = [result for _, result in self.executor.results(self.work, tasks)]
        before, after = map(Diversity.from_json, measured)
        read = max(self.tally.read.documents, 1)
        shares = {why: gone.amount.documents / read for why, gone in self.tally.removed.items()}
        advised = [each.as_json() for each in advice(before, after, shares)]
        return {"before": measured[0], "after": measured[1], "advice": advised}

    def _manifest(self) -> dict[str, Any]:
        versions = {step.name: step.version for step in self.steps}
        versions |= {comparison.name: comparison.version for comparison in self.comparisons}
        versions[HELD_OUT] = "1"
        reasons = REASONS | {IN_HELD_OUT: HELD_OUT}
        return {
            "format": FORMAT,
            "kind": "corpus",
            "danlu": danlu.__version__,
            "recipe": self.recipe,
            "sources": reading.sources(self.found.files, self.account),
            "skipped": self.found.skipped,
            "broken": [
                {"file": name, "reason": reason} for name, reason in self.account.broken.items()
            ],
            "duplicate_ids": self.account.duplicate_ids,
            **self.tally.as_json(versions, reasons),
            **self._merged_reports(),
            "personal": {
                kind: {"count": count}
                for kind, count in sorted(self.tally.stats.get("personal", {}).items())
                if kind in PERSONAL_KINDS
            },
        }

    def _merged_reports(self) -> dict[str, Any]:
        """What steps report, by the name that their module gives it."""
        merged = {}
        for name, reports in self.reports.items():
            module = discover.find("danlu.data.steps", name, "step")
            merged[module.REPORT] = module.merge(reports)
        return merged

    def _nothing(self) -> DataError:
        if not self.tally.read.documents:
            why = next(iter(self.account.broken.values()), "")
            return DataError(
                "there is no text in the files",
                got=f"nothing that can be read, for example: {why}" if why else NO_TEXT,
                expected="files with text in them",
                fix="check the paths; --text-field and --encoding say where and what the text is",
            )
        return DataError(
            "nothing is left of the text",
            got=self.tally.funnel(),
            expected="documents that pass the cleaning",
            fix="lower --min-characters, raise --repetition, or leave out a step with --steps",
        )

    def _say(self, decided: split.Split, seconds: float) -> None:
        """The story of what was done, after it is done."""
        reading.say_what_was_odd(self.account)
        read, parts = self.tally.read, self.tally.parts
        rate = log.size(read.bytes / max(seconds, 1e-3))
        log.say(
            f"read {read.documents:,} documents, {log.size(read.bytes)} "
            f"in {log.duration(seconds)} ({rate}/s)"
        )
        for reason, removal in sorted(self.tally.removed.items()):
            log.say(f"removed {removal.amount.documents:,} × {reason}")
        train, held_out = parts["train"], parts["held_out"]
        log.say(
            f"train on {train.documents:,} documents ({log.size(train.bytes)}), held out "
            f"{held_out.documents:,} ({log.size(held_out.bytes)}), chosen by {decided.by}"
        )


def _recipe(settings: PrepareSettings, source: str, skip_broken: bool) -> dict[str, Any]:
    """What makes the corpus what it is, besides the files."""
    steps = [f"{step.name} {step.version}" for step in rows.steps(settings)]
    steps += [f"{each.name} {each.version}" for each in rows.comparisons(settings)]
    against = contamination.files_of(settings.contamination)
    values = settings.model_dump(mode="json", include=set(PrepareSettings.model_fields))
    if not settings.mix:
        del values["mix"]
    return {
        **values,
        "steps": steps,
        "source": source,
        **({"skip_broken": True} if skip_broken else {}),
        **({"evaluation_files": inputs.fingerprints(against)} if against else {}),
    }


def _existing(out: Path, recipe: Mapping[str, Any], listed: Sequence[SourceFile]) -> Corpus | None:
    """The corpus at `out` if it was made just like this; None if nothing is there.

    Raises:
        ConfigError: another corpus is there.
        DataError: it is this one, but a file of it is missing or truncated.
    """
    if not is_corpus(out):
        return None
    manifest = files.read_json(out / MANIFEST)
    check_shape(out, manifest)
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
    before = {row["file"]: row.get("fingerprint") for row in manifest.get("sources", [])}
    now = inputs.fingerprints(listed)
    if recipe["source"] == old.get("source"):
        changes += [f"{name}: gone" for name in before if name not in now]
        changes += [f"{n}: changed" for n in before if n in now and before[n] != now[n]]
        if recipe["source"] == "files":
            changes += [f"{name}: new" for name in now if name not in before]
    return changes
