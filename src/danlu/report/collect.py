"""A folder -> `Report`. Reads only that folder; writes nothing; knows nothing of HTML.

Two kinds of folder are understood: a run (it holds `metrics.jsonl`, `status.json`, `run.yaml` …)
and a life, the folder of `danlu demo`, which holds `corpus/`, `tokenizer/` and the runs `base/`
and `chat/`. A file that is absent leaves its panel out; one that is there and broken does not stop
the report, but is named in `Report.problems`.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from danlu import discover, files
from danlu.errors import ConfigError, DanluError, DataError
from danlu.report.history import history
from danlu.report.records import Corpus, Plan, Report, Result, Run, Status, Tokenizer
from danlu.report.schema import Record

RUN_FILES = ("metrics.jsonl", "status.json", "run.yaml", "eval.json", "plan.json")
LIFE_FILES = ("corpus/manifest.json", "tokenizer/stats.json", "demo.json")
LIFE_RUNS = ("base", "chat")

R = TypeVar("R", bound=Record)


def collect(folder: Path, *, now: float | None = None) -> Report:
    """The report of a run folder or of a life folder; `now` is the time it speaks of.

    Raises:
        ConfigError: there is no such folder.
        DataError: the folder holds no run.
    """
    runs = _run_folders(folder)
    problems: list[str] = []
    manifest = _json(folder / "corpus/manifest.json", problems)
    if isinstance(manifest, dict) and isinstance(manifest.get("counts"), dict):
        manifest = {**manifest, **manifest["counts"]}
    return Report(
        name=folder.resolve().name,
        generated=time.time() if now is None else now,
        runs=[_run(run, life=run != folder, problems=problems) for run in runs],
        corpus=_record(Corpus, manifest, folder / "corpus/manifest.json", problems),
        tokenizer=_part(Tokenizer, folder / "tokenizer/stats.json", problems),
        environment=_environment([folder, *runs], problems),
        commands=_commands([folder, *runs], problems),
        problems=list(dict.fromkeys(problems)),
    )


def _run_folders(folder: Path) -> list[Path]:
    """The runs that a folder consists of: itself, or those of a life."""
    if not folder.is_dir():
        parent = folder.parent
        siblings = [p.name for p in parent.iterdir() if p.is_dir()] if parent.is_dir() else []
        hint = discover.nearest(folder.name, siblings)
        if folder.exists():
            raise ConfigError(f"{folder} is a file", expected="the folder of a run")
        raise ConfigError(
            f"there is no folder {folder}",
            expected="the folder of a run, such as runs/demo",
            fix=f"did you mean {parent / hint}?" if hint else "",
        )
    inside = [folder / name for name in LIFE_RUNS if is_run(folder / name)]
    if inside or is_run(folder):
        return inside or [folder]
    if any((folder / name).is_file() for name in LIFE_FILES):
        return []
    near = [p for p in sorted(folder.iterdir()) if p.is_dir() and (is_run(p) or is_life(p))]
    raise DataError(
        f"{folder} holds no run",
        got=", ".join(sorted(p.name for p in folder.iterdir())[:8]) or "an empty folder",
        expected=f"a folder with one of {', '.join(RUN_FILES)}, or with base/ and chat/",
        fix=f"danlu report {near[0]}" if near else "",
    )


def is_run(folder: Path) -> bool:
    """Whether a folder holds a training run."""
    return any((folder / name).is_file() for name in RUN_FILES)


def is_life(folder: Path) -> bool:
    """Whether a folder holds what `danlu demo` makes."""
    return any(is_run(folder / name) for name in LIFE_RUNS)


def _run(folder: Path, *, life: bool, problems: list[str]) -> Run:
    result = _part(Result, folder / "eval.json", problems)
    tuned = folder.name == "chat" if life else bool(result and (result.answers or result.examples))
    try:
        records = files.read_jsonl(folder / "metrics.jsonl")
    except DanluError as error:
        problems.append(error.what)
        records = []
    series, samples, last = history(records)
    settings = folder / "run.yaml"
    text = settings.read_text(encoding="utf-8", errors="replace") if settings.is_file() else ""
    return Run(
        name=folder.resolve().name,
        role="finetune" if tuned else "pretrain",
        settings=text,
        status=_part(Status, folder / "status.json", problems),
        series=series,
        samples=samples,
        last=last,
        result=result,
        plan=_part(Plan, folder / "plan.json", problems),
    )


def _environment(folders: list[Path], problems: list[str]) -> dict[str, Any]:
    """The first `environment.json` that says something."""
    for folder in folders:
        value = _json(folder / "environment.json", problems)
        if isinstance(value, dict) and value:
            return value
    return {}


def _commands(folders: list[Path], problems: list[str]) -> list[str]:
    """The commands of the whole folder, or else those of its runs, each once."""
    found: dict[str, None] = {}
    for folder in folders:
        value = _json(folder / "commands.json", problems)
        if isinstance(value, list):
            found.update(dict.fromkeys(str(command) for command in value))
            if folder == folders[0] and found:
                break
    return list(found)


def _part(kind: type[R], path: Path, problems: list[str]) -> R | None:
    return _record(kind, _json(path, problems), path, problems)


def _json(path: Path, problems: list[str]) -> Any:
    """A JSON file's value; None where there is none or it cannot be read."""
    if not path.is_file():
        return None
    try:
        return files.read_json(path)
    except DanluError as error:
        problems.append(error.what)
        return None


def _record(kind: type[R], value: Any, path: Path, problems: list[str]) -> R | None:
    if value is None:
        return None
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        problems.append(f"{path}: {where}: {first['msg'].lower()}".replace(": : ", ": "))
        return None
