"""A run folder: a model at every instant, with all that is needed to go on or to look back.

run.yaml            resolved settings, written before the first step
status.json         where the run is, for views; replaced at most once a second
metrics.jsonl       the log that reports are made of
config.json, tokenizer.json …   as Hugging Face names them; constant during a run
model.safetensors   the newest good checkpoint's weights
checkpoints/        see `checkpoint`
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch

from danlu import config, files, log
from danlu.errors import CheckpointError, ConfigError, ResourceError
from danlu.models import hub, weights
from danlu.models.transformer import Transformer
from danlu.runtime import Runtime
from danlu.tokenizer import Tokenizer
from danlu.train import checkpoint
from danlu.train.horizon import Horizon
from danlu.train.optimizers import Optimizer

TRAIN_STATE = "state/train.json"
OPTIMIZER_STATE = "state/optimizer-00000-of-00001.safetensors"


class Run:
    """A run folder that this process holds.

    Args:
        folder: where it is or will be.
        settings: the resolved settings; a folder that was begun with others is refused.
        identity: what must not change when a run is resumed; see `manifest.compare`.
        resume: the command that continues this run, for messages.

    Raises:
        ConfigError: the folder holds another run, or something else.
        ResourceError: another process works there.
    """

    def __init__(
        self, folder: Path, settings: config.Config, identity: Mapping[str, Any], resume: str = ""
    ) -> None:
        self.folder, self.settings, self.identity = folder, settings, dict(identity)
        self.resume = resume or f"danlu pretrain {folder / 'run.yaml'}"
        self._lock = files.Lock(folder)
        self._said = 0.0
        self.done: dict[str, Any] = {}

    def __enter__(self) -> Run:
        claim(self.folder, self.settings)
        self._lock.__enter__()
        checkpoint.clean(self.folder)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.__exit__(kind, error, trace)

    @property
    def is_new(self) -> bool:
        """Whether there is no checkpoint to go on from."""
        return checkpoint.newest(self.folder) is None

    def publish(self, model: Transformer, tokenizer: Tokenizer) -> None:
        """Write the files that make the folder a model and stay the same during the run."""
        self.constant = hub.model_files(model, tokenizer)
        for name, data in self.constant.items():
            files.write_atomic(self.folder / name, data)

    def save(
        self,
        step: int,
        model: Transformer,
        optimizer: Optimizer,
        horizon: Horizon,
        progress: Mapping[str, Any],
        *,
        disk: files.Disk | None = None,
    ) -> Path:
        """Write a checkpoint; the newest two are kept.

        Raises:
            ResourceError: the disk is full; older checkpoints stand.
        """
        state = {"step": step, "horizon": horizon.state(), **progress}
        contents: dict[str, Any] = {
            **self.constant,
            "model.safetensors": hub.weight_bytes(model),
            OPTIMIZER_STATE: weights.dump(hub.on_cpu(optimizer.state())),
            TRAIN_STATE: files.json_bytes(state),
        }
        return checkpoint.save(self.folder, step, contents, info=self.identity, disk=disk)

    def restore(self, model: Transformer, optimizer: Optimizer, horizon: Horizon) -> dict[str, Any]:
        """Load the newest good checkpoint, if there is one; returns what `save` was told.

        Raises:
            CheckpointError: settings changed in a way that would make it another run.
        """
        newest = checkpoint.newest(self.folder)
        if newest is None:
            return {"step": 0}
        for change in checkpoint.compare(newest.info, self.identity):
            if change.kind == "warn":
                log.warn(f"this run goes on, but not bit for bit: {change}")
        with weights.Reader(newest.path) as reader:
            hub.fill(model, reader, folder=newest.path)
        with weights.Reader(newest.file(OPTIMIZER_STATE)) as reader:
            optimizer.restore({name: reader.tensor(name) for name in reader.keys()})  # noqa: SIM118 - a Reader is no dict
        state = files.read_json(newest.file(TRAIN_STATE))
        if state["step"] != newest.step:
            raise CheckpointError(f"{newest.path} contradicts itself", got=state["step"])
        horizon.restore(state["horizon"]) if state["horizon"] else None
        checkpoint.republish(newest)
        self.done = state
        return dict(state)

    def status(self, phase: str, *, force: bool = False, **values: Any) -> None:
        """Say where the run is, for views; at most once a second, and never fatal."""
        now = time.time()
        if not force and now - self._said < 1:
            return
        self._said = now
        record = {
            "phase": phase,
            "pid": os.getpid(),
            "heartbeat": now,
            "resume": self.resume,
            **values,
        }
        try:
            files.write_json(self.folder / "status.json", record, sync=False)
        except ResourceError as error:
            log.warn(f"status is not written: {error.what}")

    def note(self, name: str, value: Any) -> None:
        """Write a JSON file beside the others, such as eval.json."""
        files.write_json(self.folder / name, value)


def claim(folder: Path, settings: config.Config) -> None:
    """Make the folder this run's, or see that it already is.

    Raises:
        ConfigError: it holds something else.
    """
    text, path = config.dump(settings), folder / "run.yaml"
    if path.is_file():
        before = path.read_text(encoding="utf-8")
        if before != text:
            raise ConfigError(
                f"{folder} holds another run",
                got=changed_lines(before, text),
                expected="the settings that it was begun with, to continue it",
                fix="choose another --out",
            )
        return
    strangers = sorted(p.name for p in folder.glob("*")) if folder.exists() else []
    strangers = [name for name in strangers if name not in ("LOCK", "plan.json", "report.html")]
    if folder.exists() and (not folder.is_dir() or strangers):
        raise ConfigError(
            f"{folder} is not empty and holds no run",
            got=", ".join(strangers[:5]) or "a file",
            fix="choose another --out",
        )
    files.write_atomic(path, text.encode())


def changed_lines(before: str, after: str, limit: int = 4) -> str:
    """What differs between two YAML texts, as `key: then → now`."""
    import yaml

    old, new = _flat(yaml.safe_load(before) or {}), _flat(yaml.safe_load(after) or {})
    rows = [
        f"{key}: {old.get(key)} → {new.get(key)}"
        for key in [*new, *(k for k in old if k not in new)]
        if old.get(key) != new.get(key)
    ]
    return "; ".join(rows[:limit]) + (f" and {len(rows) - limit} more" if len(rows) > limit else "")


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {prefix + key: item}
    return flat


class Interrupt:
    """Whether somebody asked to stop: Ctrl-C, SIGTERM or SIGUSR1 set a flag, once."""

    signal = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """A second one stops at once; files stay whole, because every write is atomic."""
        if self.signal:
            raise KeyboardInterrupt
        self.signal = number
        log.warn("stopping after this step; once more stops at once")


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turn the first Ctrl-C or SIGTERM into a flag for the length of the block."""
    flag = Interrupt()
    names = [name for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name)]
    before: dict[int, Callable[..., Any] | int | None] = {}
    try:
        for name in names:
            number = getattr(signal, name)
            before[number] = signal.signal(number, flag)
    except ValueError:  # not the main thread: nobody can send us signals
        before = {}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def identity(
    *,
    data: str,
    tokenizer: str,
    model: Transformer,
    objective: str,
    settings: Any,
    optimizer: config.Config,
    runtime: Runtime,
) -> dict[str, Any]:
    """What a checkpoint remembers of its run, so that resuming can tell what changed."""
    return {
        "data": data,
        "tokenizer": tokenizer,
        "model": model.config.model_dump(mode="json"),
        "objective": objective,
        "batch_tokens": settings.rows * settings.context,
        "optimizer": optimizer.model_dump(mode="json"),
        "schedule": {
            key: getattr(settings, key)
            for key in ("schedule", "warmup", "final", "steps", "tokens", "epochs", "minutes")
        },
        "seed": settings.seed,
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "world": runtime.world,
        "device": runtime.device.type,
        "dtype": str(runtime.dtype).removeprefix("torch."),
        "micro_batch": settings.micro_rows,
    }
