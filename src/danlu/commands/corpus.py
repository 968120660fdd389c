"""Ask a corpus: what is in it, who learned a sentence, what changed; and make it forget.

    danlu corpus show corpus                     what was read, removed and kept
    danlu corpus sample corpus --n 5             random documents
    danlu corpus sample corpus --part removed --reason repetitive
    danlu corpus who corpus "to be or not to be" documents with a sentence, runs that learned it
    danlu corpus diff old new                    what two corpora have in common
    danlu corpus report corpus --open            one HTML page to look at or to send
    danlu corpus forget corpus ID --out new      the corpus without some documents

A corpus is a folder that `danlu prepare` wrote. Nothing here changes one: `forget` writes another.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from tyro.conf import Positional, arg

from danlu import config, discover
from danlu.errors import ConfigError

ACTIONS = {
    "show": "DIR",
    "sample": "DIR",
    "who": "DIR SENTENCE",
    "diff": "DIR OTHER",
    "report": "DIR",
    "forget": "DIR ID…",
}
"""What each action takes."""


class Config(config.Config):
    """Settings of `danlu corpus`."""

    action: Annotated[Positional[str], arg(metavar="{" + ",".join(ACTIONS) + "}")]
    """What to do."""

    words: Annotated[Positional[tuple[str, ...]], arg(metavar="DIR …")] = ()
    """The folder of the corpus; then the sentence, the other folder or the ids."""

    n: int = Field(20, ge=1)
    """sample, who: how many documents to show."""

    part: str = ""
    """sample: train, held_out or removed; empty: what is kept."""

    reason: str = ""
    """sample: only documents removed for this reason, e.g. duplicate."""

    source: str = ""
    """sample: only documents of files that begin so."""

    seed: int = 0
    """sample: another one draws other documents."""

    characters: int = Field(600, ge=1)
    """sample: how much of each document to show."""

    runs: tuple[Path, ...] = (Path("runs"),)
    """who, forget: folders to look for training runs in."""

    copies: bool = True
    """forget: also copies and near-duplicates under other ids."""

    out: Path | None = None
    """forget: folder for the new corpus. report: where to write the page."""

    open: bool = False
    """report: show the page in a browser."""


def run(cfg: Config) -> dict[str, Any]:
    """Do the action; returns what it found."""
    from danlu.commands import _corpus as actions

    _check(cfg)
    work: Callable[[Config], dict[str, Any]] = getattr(actions, cfg.action)
    return work(cfg)


def plan(cfg: Config) -> dict[str, Any]:
    """What would be looked at; only the manifest is read."""
    from danlu.data.corpus import Corpus

    _check(cfg)
    folders = cfg.words if cfg.action == "diff" else cfg.words[:1]
    counts = {name: Corpus.open(Path(name)).manifest["counts"] for name in folders}
    return {"action": cfg.action, "corpora": counts, "out": str(cfg.out) if cfg.out else None}


def show(result: dict[str, Any]) -> None:
    """Print for people; a corpus may hold what would upset a terminal."""
    from danlu.commands import _corpus as actions

    actions.display(result)


def _check(cfg: Config) -> None:
    """Whether the action is one, and has what it needs."""
    if cfg.action not in ACTIONS:
        if Path(cfg.action).is_dir():
            raise ConfigError(
                "what should be done with the corpus?",
                got=cfg.action,
                expected=f"first one of: {', '.join(ACTIONS)}",
                fix=f"danlu corpus show {cfg.action}",
            )
        raise discover.unknown("action of `danlu corpus`", cfg.action, ACTIONS)
    wanted, given = ACTIONS[cfg.action].split(), len(cfg.words)
    if given < len(wanted) or (given > len(wanted) and not wanted[-1].endswith("…")):
        raise ConfigError(
            f"{cfg.action} takes {ACTIONS[cfg.action]}",
            got=" ".join(cfg.words) or "nothing",
            fix=f"danlu corpus {cfg.action} {ACTIONS[cfg.action]}; a sentence in quotation marks",
        )
    if cfg.action == "forget" and cfg.out is None:
        raise ConfigError("forget writes a new corpus", fix="--out NEW")
