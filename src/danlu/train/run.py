"""A run folder: a model at every instant, with all that is needed to go on or to look back.

run.yaml            resolved settings, written before the first step
status.json         where the run is, for views; replaced at most once a second
metrics.jsonl       the log that reports are made of
config.json, tokenizer.json …   as Hugging Face names them; constant during a run
model.safetensors   the newest good checkpoint's weights
checkpoints/        see `checkpoint`
"""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
import yaml

from danlu import config, files, log
from danlu.errors import CheckpointError, ConfigError, ResourceError
from danlu.models import hub, weights
from danlu.runtime import Runtime
from danlu.tokenizer import Tokenizer
from danlu.train import checkpoint
from danlu.train.checkpoint import Checkpoint
from danlu.train.horizon import Horizon
from danlu.train.optimizers import Optimizer
from danlu.train.settings import TrainConfig

TRAIN_STATE = "state/train.json"
OPTIMIZER_STATE = "state/optimizer-00000-of-00001.safetensors"
STATUS_EVERY_S = 1.0
OURS = ("LOCK", "plan.json", "report.html", ".*.new")
"""What may be in a folder before a run begins there; the last is what a killed process left."""


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
        self.resume = resume or shlex.join(["danlu", "pretrain", str(folder / "run.yaml")])
        self.constant: dict[str, bytes] = {}
        self._held = contextlib.ExitStack()
        self._said, self._warned = -STATUS_EVERY_S, False

    def __enter__(self) -> Run:
        if self.identity.get("world", 1) > 1:
            raise ConfigError(
                "a run folder is written by one process so far",
                got=f"{self.identity['world']} ranks",
                fix="start it without torchrun",
            )
        check(self.folder, self.settings)  # before the lock leaves a file in somebody's folder
        with contextlib.ExitStack() as stack:
            stack.enter_context(files.Lock(self.folder))
            if not check(self.folder, self.settings):  # nobody was quicker
                text = config.dump(self.settings)
                files.write_atomic(self.folder / "run.yaml", text.encode())
            checkpoint.clean(self.folder)
            self._held = stack.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._held.close()

    @cached_property
    def newest(self) -> Checkpoint | None:
        """What there is to go on from; verified once, and again after a `save`."""
        return checkpoint.newest(self.folder)

    @property
    def is_new(self) -> bool:
        """Whether there is no checkpoint to go on from."""
        return self.newest is None

    def publish(self, model: hub.Model, tokenizer: Tokenizer) -> None:
        """Write the files that make the folder a model and stay the same during the run."""
        self.constant = hub.model_files(model, tokenizer)
        for name, data in self.constant.items():
            files.write_atomic(self.folder / name, data)

    def save(
        self,
        model: hub.Model,
        optimizer: Optimizer,
        horizon: Horizon,
        state: Mapping[str, Any],
        *,
        disk: files.Disk | None = None,
    ) -> Path:
        """Write a checkpoint of step `state["step"]`; the newest two are kept.

        Raises:
            ResourceError: the disk is full; older checkpoints stand.
        """
        assert self.constant, "publish() comes first: a checkpoint is a whole model"
        contents: dict[str, Any] = {
            **self.constant,
            "model.safetensors": hub.weight_bytes(model),
            OPTIMIZER_STATE: weights.dump(optimizer.state()),
            TRAIN_STATE: files.json_bytes({**state, "horizon": horizon.state()}),
        }
        self.__dict__.pop("newest", None)
        return checkpoint.save(self.folder, state["step"], contents, info=self.identity, disk=disk)

    def restore(self, model: hub.Model, optimizer: Optimizer, horizon: Horizon) -> dict[str, Any]:
        """Load the newest good checkpoint; returns the state that `save` was given, or nothing.

        Raises:
            CheckpointError: settings changed in a way that would make it another run.
        """
        newest = self.newest
        if newest is None:
            return {}
        for change in checkpoint.compare(newest.info, self.identity):
            if change.kind == "warn":
                log.warn(f"this run goes on, but not bit for bit: {change}")
        with weights.Reader(newest.path) as reader:
            hub.fill(model, reader, folder=newest.path)
        with weights.Reader(newest.file(OPTIMIZER_STATE)) as reader:
            optimizer.restore(reader.keys(), reader.tensor)
        state: dict[str, Any] = files.read_json(newest.file(TRAIN_STATE))
        if state["step"] != newest.step:
            raise CheckpointError(f"{newest.path} contradicts itself", got=state["step"])
        horizon.restore(state.pop("horizon"))
        checkpoint.republish(newest)
        return state

    def status(self, phase: str, *, force: bool = False, **values: Any) -> None:
        """Say where the run is, for views; at most once a second, and never fatal."""
        now = time.monotonic()
        if not force and now - self._said < STATUS_EVERY_S:
            return
        self._said = now
        record = {
            "phase": phase,
            "pid": os.getpid(),
            "heartbeat": time.time(),
            "resume": self.resume,
            **values,
        }
        try:
            files.write_json(self.folder / "status.json", record, sync=False)
        except ResourceError as error:
            if not self._warned:
                log.warn(f"status.json is not up to date: {error.what}")
            self._warned = True
        else:
            self._warned = False

    def note(self, name: str, value: Any) -> None:
        """Write a JSON file beside the others, such as eval.json."""
        files.write_json(self.folder / name, value)


def check(folder: Path, settings: config.Config) -> bool:
    """Whether the folder already holds this run; if not, it is free for it.

    Raises:
        ConfigError: it holds something else.
    """
    path = folder / "run.yaml"
    if not path.is_file():
        refuse_strangers(folder)
        return False
    if changes := changed(_settings(path), settings.model_dump(mode="json")):
        raise ConfigError(
            f"{folder} holds another run",
            got=changes,
            expected="the settings that it was begun with, to continue it",
            fix="choose another --out",
        )
    return True


def refuse_strangers(folder: Path) -> None:
    """See that a folder is absent, empty, or a run's; a command asks this before its first write.

    Raises:
        ConfigError: it holds something else.
    """
    if not folder.exists() or (folder / "run.yaml").is_file():
        return
    if not folder.is_dir():
        raise ConfigError(f"{folder} is a file", fix="choose another --out")
    with files.explained(folder, "read"):
        found = sorted(path.name for path in folder.iterdir())
    strangers = [name for name in found if not any(fnmatch(name, own) for own in OURS)]
    if strangers:
        raise ConfigError(
            f"{folder} is not empty and holds no run",
            got=", ".join(strangers[:5]),
            fix="choose another --out",
        )


def _settings(path: Path) -> dict[str, Any]:
    try:
        with files.explained(path, "read"):
            value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError):
        value = None
    if not isinstance(value, dict):
        raise ConfigError(f"{path} is damaged", fix="choose another --out")
    return value


def changed(before: Mapping[str, Any], after: Mapping[str, Any], *, limit: int = 4) -> str:
    """What differs between two nested tables, as `key: then → now`; empty if nothing does.

    >>> changed({"out": "a", "train": {"steps": 9}}, {"out": "a", "train": {"steps": 10}})
    'train.steps: 9 → 10'
    """
    old, new = _flat(before), _flat(after)
    rows = [
        f"{key}: {old.get(key)} → {new.get(key)}"
        for key in [*new, *(k for k in old if k not in new)]
        if old.get(key) != new.get(key) or (key in old) != (key in new)
    ]
    return "; ".join(rows[:limit]) + (f" and {len(rows) - limit} more" if len(rows) > limit else "")


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flat(item, f"{prefix}{key}.") if isinstance(item, dict) else {prefix + key: item}
    return flat


class Interrupt:
    """Whether somebody asked to stop: a signal sets a flag, once."""

    signal = 0

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """A second one stops at once; files stay whole, because every write is atomic."""
        if self.signal:
            raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)
        self.signal = number
        with contextlib.suppress(RuntimeError):  # it came while something else was being said
            log.warn("stopping after this step; once more stops at once")


@contextmanager
def interruptible() -> Iterator[Interrupt]:
    """Turn the first Ctrl-C, SIGTERM, SIGUSR1 or hang-up into a flag for the length of the block.

    A signal that is ignored, as `nohup` has it, stays ignored.
    """
    flag = Interrupt()
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():  # nobody can send signals to others
        for name in ("SIGINT", "SIGTERM", "SIGUSR1", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:
                before[number] = signal.signal(number, flag) or signal.SIG_DFL
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def identity(
    *,
    data: str,
    tokenizer: str,
    model: hub.Model,
    objective: str,
    settings: TrainConfig,
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
