"""A run that was stopped anywhere and went on is the run that never stopped, bit for bit."""

from __future__ import annotations

import errno
import json
import os
import signal
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults import Fault
from train_examples import OPTIMIZERS, STEPS, Training, batches, train_config

from danlu import files
from danlu.errors import ConfigError, ResourceError, Stopped, TrainingError
from danlu.evaluate.perplexity import Perplexity
from danlu.generate.settings import Sampling
from danlu.generate.text import generate_text
from danlu.models import hub
from danlu.train import checkpoint
from danlu.train.fit import Watch, horizon
from danlu.train.horizon import Minutes, Steps
from danlu.train.run import Run
from danlu.train.settings import OptimizerConfig, TrainConfig

Capture = pytest.CaptureFixture[str]


class Crash(BaseException):
    """The process is gone: nothing is saved."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No disk is waited for: what syncing is good for is tested in test_checkpoint."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def folder(memory_path: Path) -> Path:
    return memory_path / "run"


@cache
def never_stopped(name: str) -> Training:
    """A whole run, in a folder that stays until the tests are over."""
    import tempfile

    whole = Training(Path(tempfile.mkdtemp()) / "run", OPTIMIZERS[name])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)
        whole.go()
    return whole


def stop_at(step: int, micro: int = 1, number: int = signal.SIGTERM) -> Any:
    def at(now: int, part: int) -> None:
        if (now, part) == (step, micro):
            os.kill(os.getpid(), number)

    return at


def crash_at(step: int, micro: int) -> Any:
    def at(now: int, part: int) -> None:
        if (now, part) == (step, micro):
            raise Crash

    return at


# ---- resuming


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("step", "micro"), [(1, 1), (3, 2), (4, 1), (STEPS - 1, 2), (STEPS, 1)])
def test_stopped_and_resumed_is_never_stopped(
    folder: Path, name: str, step: int, micro: int
) -> None:
    whole, run = never_stopped(name), Training(folder, OPTIMIZERS[name])
    with pytest.raises(Stopped) as caught:
        run.go(at=stop_at(step, micro))
    assert caught.value.exit_code == 143 and run.step() == step
    assert run.go()["step"] == STEPS
    assert run.saved() == whole.saved()
    assert run.losses() == whole.losses()
    assert run.seen == whole.seen


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_crashed_again_and_again_is_never_stopped(folder: Path, name: str) -> None:
    """What is done after the last checkpoint is done again, from the same rows."""
    whole = never_stopped(name)
    run = Training(folder, OPTIMIZERS[name])
    with pytest.raises(Crash):
        run.go(at=crash_at(2, 2))  # before there is any checkpoint
    assert run.step() == -1
    with pytest.raises(Stopped):
        run.go(at=stop_at(2))
    for step in (6, 4, 7):
        with pytest.raises(Crash):
            run.go(at=crash_at(step, 2))
        assert run.step() == 2
    run.go()
    assert run.saved() == whole.saved() and run.losses() == whole.losses()
    assert [row["session"] for row in run.records() if row["step"] == 3] == [3, 4, 5, 6]


def test_micro_batches_do_not_change_which_rows_a_step_has(folder: Path) -> None:
    run = Training(folder, train=train_config(micro_tokens=16))
    run.go()
    assert run.seen == never_stopped("muon").seen
    assert len({row for rows in run.seen.values() for row in rows}) == STEPS * 3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_what_is_looked_at_does_not_change_the_weights(folder: Path, name: str) -> None:
    view = []
    watch = Watch(
        evals={"held_out": Perplexity(np.arange(60), text_bytes=100, window=16)},
        sample=lambda m: ("fox", sampled(m)),
        view=lambda: view.append(1),
    )
    run = Training(folder, OPTIMIZERS[name], train=train_config(evals=5, save_every_s=0))
    run.go(watch=watch)
    assert run.saved() == never_stopped(name).saved()
    assert run.losses() == never_stopped(name).losses()
    assert len(run.records("eval")) == len(run.records("sample")) == 5 and view


def sampled(built: Any) -> str:
    from train_examples import tokenizer

    return generate_text(built, tokenizer(), ["fox"], Sampling(max_tokens=4, seed=0))[0].text


def test_a_finished_run_called_again_does_nothing(folder: Path) -> None:
    run, calls = Training(folder), []
    watch = Watch(evals={"x": lambda m: calls.append(1) or {"loss": 1.0}})  # type: ignore[func-returns-value]
    first = run.go(watch=watch)
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")}
    log_before = (folder / "metrics.jsonl").read_bytes()
    run.seen.clear()
    assert run.go(watch=watch) == first
    assert run.seen == {} and calls == [1]
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*.safetensors")} == before
    assert (folder / "metrics.jsonl").read_bytes() == log_before
    assert status(folder)["phase"] == "completed"


# ---- looking


def looks(folder: Path, **changes: Any) -> tuple[Training, list[int]]:
    """The run, and the steps at which it was looked at."""
    run = Training(folder, train=train_config(**changes))
    run.go(watch=Watch(evals={"x": lambda m: {"loss": 1.0}}, sample=lambda m: ("a", "b")))
    evals = [row["step"] for row in run.records("eval")]
    assert evals == [row["step"] for row in run.records("sample")]
    return run, evals


@pytest.mark.parametrize(
    ("evals", "steps"), [(0, [8]), (1, [8]), (2, [4, 8]), (3, [3, 5, 8]), (50, [1, *range(2, 9)])]
)
@pytest.mark.parametrize("save_every_s", [0.0, 1e9])
def test_looks_are_evenly_spread_and_the_last_is_at_the_end(
    folder: Path, evals: int, steps: list[int], save_every_s: float
) -> None:
    run, looked = looks(folder, evals=evals, save_every_s=save_every_s)
    assert looked == steps and run.step() == STEPS


def test_the_end_is_looked_at_once_in_a_run_of_minutes(folder: Path) -> None:
    run, looked = looks(folder, steps=None, minutes=0.3 / 60, evals=500)
    assert len(looked) == len(set(looked)) and looked[-1] == run.step() == run.records()[-1]["step"]


def test_a_run_stopped_at_its_last_step_is_looked_at_when_called_again(folder: Path) -> None:
    run = Training(folder)
    watch = Watch(evals={"x": lambda m: {"loss": 1.0}})
    with pytest.raises(Stopped):
        run.go(at=stop_at(STEPS), watch=watch)
    assert run.records("eval") == []
    before = run.saved()
    for _ in range(2):
        run.go(watch=watch)
        assert [row["step"] for row in run.records("eval")] == [STEPS] and run.saved() == before


def test_checkpoints_of_each_step_and_two_of_them_kept(folder: Path) -> None:
    run, saved = Training(folder, train=train_config(save_every_s=0)), []
    run.go(at=lambda step, micro: saved.append(run.step()) if micro == 1 else None)
    assert saved == [-1, *range(1, STEPS)]
    assert sorted(p.name for p in (folder / "checkpoints").iterdir()) == [
        f"step-{STEPS - 1:08}",
        f"step-{STEPS:08}",
    ]


# ---- signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
def test_a_signal_stops_after_the_step(folder: Path, number: int, capsys: Capture) -> None:
    run = Training(folder)
    before = signal.getsignal(number)
    with pytest.raises(Stopped, match="stopped after step 3") as caught:
        run.go(at=stop_at(3, 1, number))
    assert caught.value.exit_code == 128 + number
    assert caught.value.fix == "to go on: danlu pretrain again"
    assert signal.getsignal(number) == before
    assert run.step() == 3 and status(folder)["phase"] == "stopped" and status(folder)["step"] == 3
    assert "stopping after this step" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_second_signal_stops_at_once(
    folder: Path, number: int, error: type[BaseException]
) -> None:
    def twice(step: int, micro: int) -> None:
        if step == 3:
            os.kill(os.getpid(), number)

    run = Training(folder, train=train_config(save_every_s=0))
    with pytest.raises(error) as caught:  # comes in the second micro-batch
        run.go(at=twice)
    if error is SystemExit:
        assert caught.value.code == 143  # type: ignore[attr-defined]
    assert run.step() == 2
    run.go()
    assert run.saved() == never_stopped("muon").saved()


def test_a_signal_during_the_last_look_lets_the_run_end(folder: Path) -> None:
    run = Training(folder)
    watch = Watch(evals={"x": lambda m: os.kill(os.getpid(), signal.SIGTERM) or {"loss": 1.0}})  # type: ignore[func-returns-value]
    assert run.go(watch=watch)["step"] == STEPS and status(folder)["phase"] == "completed"


# ---- what is not finite


def test_a_bad_step_leaves_a_good_checkpoint_and_its_rows(folder: Path) -> None:
    run = Training(folder, OptimizerConfig(name="sgd", lr=1e38))
    with pytest.raises(TrainingError, match="is not finite") as caught:
        run.go()
    step = run.step()
    assert 0 < step < STEPS and f"step {step + 1} is not" in caught.value.what
    assert f"{step + 1}/tokens" in str(caught.value.got)
    hub.load(folder)  # refuses what is not finite
    (note,) = (folder / "bad-batches").iterdir()
    assert note.name == f"step-{step + 1:08}.json"
    kept = json.loads(note.read_text())
    assert kept["why"] == caught.value.what
    shown = [name for row in kept["rows"] for name in row["ids"]]
    assert shown == run.seen[step + 1]
    assert np.shape(kept["rows"][0]["tokens"]) == np.shape(kept["rows"][0]["labels"]) == (2, 16)
    said = status(folder)
    assert (said["phase"], said["step"], said["message"]) == ("error", step, caught.value.what)
    with pytest.raises(TrainingError, match=f"step {step + 1} is not"):
        run.go()


def test_a_bad_first_step_leaves_the_starting_weights(folder: Path) -> None:
    class Bad(Run):
        def restore(self, built: Any, *rest: Any) -> Any:
            state = super().restore(built, *rest)
            built.head.weight.data[0, 0] = np.nan  # of one process only
            return state

    run = Training(folder, run_class=Bad)
    with pytest.raises(TrainingError):
        run.go()
    assert run.step() == 0


# ---- a full disk


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def failing(*numbers: int) -> type[Run]:
    """A run whose saves with these numbers, from 1, find the disk full."""
    count = iter(range(1, 10**9))

    def act(verb: str) -> None:
        if verb == "write":
            full()

    class Failing(Run):
        def save(self, *arguments: Any, **options: Any) -> Path:
            disk = Fault(1, act, sticky=lambda verb: True) if next(count) in numbers else None
            return super().save(*arguments, disk=disk, **options)

    return Failing


def test_a_full_disk_does_not_stop_training(folder: Path, capsys: Capture) -> None:
    run = Training(folder, train=train_config(save_every_s=0), run_class=failing(2, 4, 6))
    run.go()
    assert run.saved() == never_stopped("muon").saved()
    said = capsys.readouterr().err
    assert said.count("is not written") == 3 and "checkpoint of step 4" in said
    assert [p.name for p in (folder / "checkpoints").glob(".*")] == []


def test_two_failures_in_a_row_stop_it(folder: Path) -> None:
    run = Training(folder, train=train_config(save_every_s=0), run_class=failing(3, 4))
    with pytest.raises(ResourceError) as caught:
        run.go()
    error = caught.value
    assert error.exit_code == 4 and error.errno == errno.ENOSPC
    assert "step 4" in error.what and "no space left" in str(error.got)
    assert "free some space" in error.fix and "goes on from step 2" in error.fix
    assert run.step() == 2
    run.run_class = Run
    run.go()
    assert run.saved() == never_stopped("muon").saved()


def test_the_last_checkpoint_must_be_written(folder: Path) -> None:
    run = Training(folder, run_class=failing(1))
    with pytest.raises(ResourceError, match=f"step {STEPS}") as caught:
        run.go()
    assert "goes on from the beginning" in caught.value.fix
    assert run.step() == -1 and status(folder)["phase"] == "error"


def test_who_stops_is_not_told_that_nothing_is_lost_when_it_is(folder: Path) -> None:
    run = Training(folder, run_class=failing(1))
    with pytest.raises(ResourceError, match="checkpoint of step 3"):
        run.go(at=stop_at(3))


def test_a_bad_step_on_a_full_disk_is_still_called_a_bad_step(
    folder: Path, capsys: Capture
) -> None:
    run = Training(folder, OptimizerConfig(name="sgd", lr=1e38), run_class=failing(1))
    with pytest.raises(TrainingError, match="is not finite"):
        run.go()
    assert "is not kept" in capsys.readouterr().err


def test_a_full_disk_for_the_log_does_not_stop_training(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    append = files.Disk.append

    def sometimes(self: files.Disk, path: Path, data: bytes) -> None:
        if json.loads(data)["step"] in (3, 4, 6):
            with files.explained(path):
                full()
        append(self, path, data)

    monkeypatch.setattr(files.Disk, "append", sometimes)
    run = Training(folder)
    run.go()
    assert run.saved() == never_stopped("muon").saved()
    assert list(run.losses()) == [1, 2, 5, 7, 8]
    assert capsys.readouterr().err.count("records are lost") == 2


# ---- what a run says of itself


def status(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "status.json").read_text())


def test_status_and_metrics(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    monkeypatch.setattr("danlu.train.run.STATUS_EVERY_S", 0.0)

    def at(step: int, micro: int) -> None:
        if step > 1 and micro == 1:
            seen.append(status(folder))

    run = Training(folder, train=train_config(evals=2))
    began = time.time()
    state = run.go(at=at, watch=Watch(evals={"x": lambda m: {"loss": 2.0, "bits_per_byte": 3.0}}))
    assert [row["step"] for row in seen] == list(range(1, STEPS))
    assert {row["phase"] for row in seen} == {"training", "evaluating"}
    for row in seen:
        assert row["of"] == STEPS and row["pid"] == os.getpid()
        assert began <= row["heartbeat"] <= time.time()
        assert row["resume"] == "danlu pretrain again" and row["loss"] > 0
    assert seen[0]["eta_s"] is None and 0 < seen[-1]["eta_s"] < 60
    final = status(folder)
    assert (final["phase"], final["step"], final["of"]) == ("completed", STEPS, STEPS)
    rows = run.records()
    assert [row["step"] for row in rows] == list(range(1, STEPS + 1))
    assert [row["tokens"] for row in rows] == [48 * step for step in range(1, STEPS + 1)]
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    assert all(row["session"] == 1 and row["memory_bytes"] > 1e6 for row in rows)
    assert all(row["tokens_per_s"] > 0 and row["grad_norm"] > 0 for row in rows)
    assert max(row["lr"] for row in rows) == OptimizerConfig().lr
    look = run.records("eval")[-1]
    assert (look["loss"], look["bits_per_byte"], look["tokens"]) == (2.0, 3.0, STEPS * 48)
    assert (state["step"], state["tokens"]) == (STEPS, STEPS * 48) and state["seconds"] > 0


def test_seconds_and_sessions_add_up(folder: Path) -> None:
    run = Training(folder)
    with pytest.raises(Stopped):
        run.go(at=stop_at(4))
    state = run.go()
    rows = run.records()
    assert [row["session"] for row in rows] == [1] * 4 + [2] * 4
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    assert state["tokens"] == STEPS * 48 and state["seconds"] >= rows[-1]["seconds"]


def test_the_folder_is_a_model_at_every_step(folder: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    opened: list[float] = []

    def at(step: int, micro: int) -> None:
        if step in (2, 3, 5, 8) and micro == 2:
            theirs, said = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
            assert not any(said.values()), said
            opened.append(float(theirs.get_input_embeddings().weight.detach().sum()))

    Training(folder, train=train_config(save_every_s=0)).go(at=at)
    assert len(set(opened)) == 4
    mine = hub.load(folder).model.embed.weight
    theirs = AutoModelForCausalLM.from_pretrained(folder)
    assert (theirs.get_input_embeddings().weight == mine).all()
    assert AutoTokenizer.from_pretrained(folder)("the fox")["input_ids"][0] == 0


def test_the_view_is_called_now_and_then_and_at_the_end(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    watch = Watch(view=lambda: calls.append(status(folder).get("step", 0)))
    Training(folder).go(watch=watch)
    assert calls == [STEPS]
    monkeypatch.setattr("danlu.train.fit.VIEW_EVERY_S", 0.0)
    Training(folder.parent / "b").go(watch=Watch(view=lambda: calls.append(1)))
    assert len(calls) == 1 + STEPS


def test_trackers_get_what_the_log_gets(folder: Path) -> None:
    run = Training(folder, train=train_config(trackers=("tensorboard",)))
    run.go()
    assert list((folder / "tensorboard").glob("events.*"))


def test_figures_of_two_evaluations_do_not_hide_each_other(folder: Path) -> None:
    evals = {"first": lambda m: {"loss": 1.0, "hits": 5.0}, "second": lambda m: {"loss": 2.0}}
    run = Training(folder)
    run.go(watch=Watch(evals=evals))
    (row,) = run.records("eval")
    assert (row["loss"], row["hits"], row["second_loss"]) == (1.0, 5.0, 2.0)


# ---- how long a run is


@pytest.mark.parametrize(
    ("given", "steps"),
    [
        ({"steps": 7}, 7),
        ({"steps": None, "tokens": 480.0}, 10),
        ({"steps": None, "tokens": 1.0}, 1),
        ({"steps": None, "epochs": 3.0}, 10),
        ({"steps": None, "epochs": 0.01}, 1),
    ],
)
def test_horizons(given: dict[str, Any], steps: int) -> None:
    cfg = train_config(**given)
    found = horizon(cfg, batches(cfg))
    assert isinstance(found, Steps) and found.steps == steps


def test_horizon_in_minutes_or_missing() -> None:
    cfg = train_config(steps=None, minutes=2.0)
    found = horizon(cfg, batches(cfg))
    assert isinstance(found, Minutes) and found.limit_s == 120
    cfg = train_config(steps=None)
    with pytest.raises(ConfigError, match="length of the run is missing") as caught:
        horizon(cfg, batches(cfg))
    assert "train.minutes" in caught.value.expected
    with pytest.raises(ValueError, match="exactly one of"):
        TrainConfig(steps=3, minutes=1.0)


def test_warmup_in_steps_is_a_share_of_the_run(folder: Path) -> None:
    run = Training(folder, train=train_config(warmup=4.0, schedule="constant"))
    run.go()
    peak = OptimizerConfig().lr
    wanted = [(step + 0.5) / 4 if step < 4 else 1.0 for step in range(STEPS)]
    assert [row["lr"] / peak for row in run.records()] == pytest.approx(wanted)


def test_the_rate_ends_where_the_schedule_says(folder: Path) -> None:
    run = Training(folder, train=train_config(schedule="linear", warmup=0.0, final=0.5))
    run.go()
    peak = OptimizerConfig().lr
    wanted = [1 - 0.5 * (step + 0.5) / STEPS for step in range(STEPS)]
    assert [row["lr"] / peak for row in run.records()] == pytest.approx(wanted)


def test_a_run_of_minutes_goes_on_with_the_time_that_is_left(folder: Path) -> None:
    cfg = train_config(steps=None, minutes=0.5 / 60)
    run = Training(folder, train=cfg)
    with pytest.raises(Stopped):
        run.go(at=stop_at(5))
    kept = checkpoint.newest(folder)
    assert kept and json.loads(kept.read("state/train.json"))["horizon"]["seconds"] < 0.5
    state = run.go()
    assert state["seconds"] < 1.5 and state["step"] > 5
    assert run.go() == state
