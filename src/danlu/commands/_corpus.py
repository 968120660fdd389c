"""What each action of `danlu corpus` does: calls of `danlu.data`, and results to show."""

from __future__ import annotations

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu import log, present
from danlu.data import diff as differences
from danlu.data import draw, find, lineage
from danlu.data import forget as forgetting
from danlu.data.advice import said
from danlu.data.corpus import Corpus
from danlu.errors import ConfigError
from danlu.visible import visible

if TYPE_CHECKING:
    from danlu.commands.corpus import Config


def show(cfg: Config) -> dict[str, Any]:
    """What a corpus is made of; every part that its manifest knows."""
    corpus = _open(cfg)
    m = corpus.manifest
    sources = sorted(m.get("sources", []), key=lambda s: -(s.get("bytes") or 0))
    names = ("file", "licence", "documents", "bytes")
    tables: dict[str, Any] = {
        "removed": [{"reason": why, **_amount(gone)} for why, gone in m["removed"].items()],
        "funnel": [{"after": row["step"], **_amount(row)} for row in m.get("funnel", [])],
        "languages": [{"language": k, **_amount(v)} for k, v in m.get("languages", {}).items()],
        "mixture": m.get("mixture", []),
        "personal data": [{"kind": k, **v} for k, v in m.get("personal", {}).items()],
        "sources": [{k: s[k] for k in names if k in s} for s in sources[: cfg.n]],
        "broken files": m.get("broken", []),
    }
    sizes = [record["bytes"] for record in m["files"].values()]
    return {
        "corpus": str(corpus.folder),
        "sha256": corpus.sha256,
        "made_by": f"danlu {m.get('danlu')}: {', '.join(m['recipe']['steps'])}",
        **{part: _amount(amount) for part, amount in m["counts"].items()},
        "han_share": m.get("han_share"),
        "split_by": m.get("split_by"),
        "skipped": m.get("skipped", {}),
        "files": len(sizes),
        "disk_bytes": sum(sizes),
        "sources": len(sources),
        "parent": (m.get("parent") or {}).get("sha256"),
        "advice": [said(item) for item in (m.get("diversity") or {}).get("advice", [])],
        "tables": {title: rows for title, rows in tables.items() if rows},
        "next": [
            shlex.join(["danlu", "corpus", action, f"{corpus.folder}"])
            for action in ("sample", "report")
        ],
    }


def sample(cfg: Config) -> dict[str, Any]:
    """Random documents."""
    corpus = _open(cfg)
    found = draw.draw(
        corpus, cfg.n, part=cfg.part, reason=cfg.reason, source=cfg.source, seed=cfg.seed
    )
    shown = [asdict(d) | {"text": _cut(d.text, cfg.characters)} for d in found]
    return {"corpus": str(corpus.folder), "seed": cfg.seed, "documents": shown}


def who(cfg: Config) -> dict[str, Any]:
    """Documents that hold a sentence, and the runs that were trained on them."""
    corpus = _open(cfg)
    found = find.find(corpus, cfg.words[1], most=cfg.n)
    learned = any(hit.part == "train" for hit in found.hits)
    runs = lineage.runs(corpus, cfg.runs) if learned else []
    where = [f"{n:,} in {part}" for part, n in found.documents.items() if n]
    if found.exact:
        answer = f"the sentence is in the corpus: {', '.join(where)}"
        if not learned:
            answer += "; nothing was trained on it"
    else:
        answer = "no document has the sentence"
        answer += "; these have most of it" if found.hits else ", and none has a part of it"
    return {
        "answer": answer,
        "exact": found.exact,
        "documents": [asdict(hit) for hit in found.hits],
        "runs": [_run(run) for run in runs],
        "searched_for_runs": [str(root) for root in cfg.runs] if learned else [],
    }


def diff(cfg: Config) -> dict[str, Any]:
    """What two corpora have in common."""
    a, b = (Corpus.open(Path(name)) for name in cfg.words)
    found = asdict(differences.diff(a, b))
    facts = [{"what": name, **_amount(group)} for name, group in found.items()]
    tables: dict[str, Any] = {f"a: {a.folder}, b: {b.folder}": facts}
    for name, group in found.items():
        if name != "same":
            for kind in ("sources", "reasons"):
                rows = [{kind[:-1]: k, "documents": n} for k, n in group[kind].items()]
                tables[f"{name.replace('_', ' ')}, by {kind[:-1]}"] = rows
            tables[f"{name.replace('_', ' ')}, for example"] = [
                {"id": own_id} for own_id in group["examples"]
            ]
    return {"tables": {title: rows for title, rows in tables.items() if rows}}


def report(cfg: Config) -> dict[str, Any]:
    """Write the page of a corpus."""
    from danlu.commands import report as command

    return command.run(command.Config(run=Path(cfg.words[0]), out=cfg.out, open=cfg.open))


def forget(cfg: Config) -> dict[str, Any]:
    """Write the corpus without some documents; say which runs have learned them."""
    corpus = _open(cfg)
    if cfg.out is None:
        raise ConfigError("forget writes a new corpus", fix="--out NEW")
    ids = list(cfg.words[1:])
    new, gone = forgetting.forget(corpus, ids, cfg.out, copies=cfg.copies)
    trained = gone.amounts["train"].documents > 0
    runs = lineage.runs(corpus, cfg.runs) if trained else []
    return {
        "corpus": str(cfg.out),
        "sha256": new.sha256,
        "forgotten": {part: amount.as_json() for part, amount in gone.amounts.items()},
        "copies": sorted(gone.ids - set(ids)),
        "kept": new.manifest["counts"]["kept"],
        "still_there": f"the old corpus {corpus.folder} with its tokens-*, and the files that it "
        "was made from: delete what must go, or `danlu prepare` reads it again",
        "retrain": [_run(run) for run in runs],
        "next": [
            f"{shlex.join(['danlu', 'pretrain', str(run.run / 'run.yaml')])} "
            f"{shlex.join(['--data.corpus', str(cfg.out), '--out', 'NEW'])}"
            for run in runs
            if run.via == "corpus"
        ],
    }


def display(result: dict[str, Any]) -> None:
    """Print a result, every acting character written out."""
    from rich.text import Text

    result = _neutral(result)
    documents = result.pop("documents", [])
    runs = {name: result.pop(name) for name in ("runs", "retrain") if name in result}
    tables = result.get("tables", {}) | {name: rows for name, rows in runs.items() if rows}
    commands = result.pop("next", [])
    present.show({**result, "tables": tables}, as_json=False)
    for document in documents:
        facts = [document["id"], document["part"], document["removed"] or ""]
        if document.get("shared", 1) < 1:
            facts.append(f"{document['shared']:.0%} of it")
        title = " · ".join(filter(None, facts))
        log.console(stdout=True).print(Text(f"\n── {title} ", style="bold"))
        log.console(stdout=True).print(Text(document["text"]))
    if commands:
        present.show({"next": commands}, as_json=False)


def _open(cfg: Config) -> Corpus:
    return Corpus.open(Path(cfg.words[0]))


def _amount(entry: dict[str, Any]) -> dict[str, Any]:
    return {key: entry.get(key) for key in ("documents", "bytes")}


def _run(run: lineage.TrainedOn) -> dict[str, str]:
    return {"run": str(run.run), "by": run.by, "via": run.via}


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else text[:characters] + "…"


def _neutral(value: Any) -> Any:
    """A value with the acting characters of all its texts written out."""
    if isinstance(value, str):
        return visible(value)
    if isinstance(value, dict):
        return {_neutral(key): _neutral(inner) for key, inner in value.items()}
    return [_neutral(inner) for inner in value] if isinstance(value, list) else value
