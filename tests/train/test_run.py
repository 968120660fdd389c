"""A run folder: whose it is, who holds it, and what a resumed run may have changed."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from faults import forked
from train_examples import OPTIMIZERS, Training, model, tokenizer, train_config

from danlu import config, files
from danlu.errors import CheckpointError, ConfigError, ResourceError
from danlu.train import checkpoint, optimizers
from danlu.train.horizon import Steps
from danlu.train.run import Interrupt, Run, changed, interruptible, refuse_strangers
from danlu.train.settings import OptimizerConfig

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture
def folder(memory_path: Path) -> Path:
    return memory_path / "run"


def opened(folder: Path, **changes: Any) -> Run:
    return Training(folder, **changes).open(model())


# ---- whose folder it is


def test_a_new_folder_is_claimed_and_known_again(folder: Path) -> None:
    for _ in range(2):
        with opened(folder) as run:
            assert run.is_new
            text = (folder / "run.yaml").read_text()
            assert text == config.dump(run.settings)


def test_what_comes_before_a_run_may_be_there(folder: Path) -> None:
    folder.mkdir()
    for name in ("LOCK", "plan.json", "report.html", ".plan.json.77.new", ".run.yaml.78.new"):
        (folder / name).write_text("")
    with opened(folder):
        assert (folder / "run.yaml").is_file()


def test_other_settings_are_refused_and_named(folder: Path) -> None:
    with opened(folder):
        before = (folder / "run.yaml").read_bytes()
    other = {"optimizer": OptimizerConfig(lr=0.5), "train": train_config(steps=9)}
    with pytest.raises(ConfigError, match="holds another run") as caught, opened(folder, **other):
        pass
    assert caught.value.got == "optimizer.lr: 0.02 → 0.5; train.steps: 8 → 9"
    assert "--out" in caught.value.fix
    assert (folder / "run.yaml").read_bytes() == before


def test_the_same_settings_written_otherwise_are_the_same(folder: Path) -> None:
    with opened(folder):
        pass
    path = folder / "run.yaml"
    path.write_text("# my poems\n" + path.read_text().replace("lr: 0.02", "lr: 0.0200  # slow"))
    with opened(folder):
        assert path.read_text().startswith("# my poems")


@pytest.mark.parametrize("content", [b"", b"[1]", b"a: [", b"\xff\xfe\x00", b"a: b: c"])
def test_damaged_settings_are_refused(folder: Path, content: bytes) -> None:
    folder.mkdir()
    (folder / "run.yaml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.yaml is damaged"), opened(folder):
        pass


def test_a_foreign_folder_is_refused_and_left_as_it_was(folder: Path) -> None:
    folder.mkdir()
    for name in "abcdef":
        (folder / name).write_text("mine")
    with pytest.raises(ConfigError, match="is not empty and holds no run") as caught:
        opened(folder).__enter__()
    assert caught.value.got == "a, b, c, d, e"
    assert sorted(p.name for p in folder.iterdir()) == list("abcdef")
    with pytest.raises(ConfigError, match="is a file"):
        opened(folder / "a").__enter__()


def test_strangers_are_refused_before_anything_is_known_of_the_run(folder: Path) -> None:
    refuse_strangers(folder)
    with opened(folder):
        (folder / "anything").write_text("")
    refuse_strangers(folder)
    (folder / "run.yaml").unlink()
    with pytest.raises(ConfigError, match="is not empty"):
        refuse_strangers(folder)


def test_a_folder_that_cannot_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()

    def refuse(self: Path) -> Iterator[Path]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ResourceError, match="cannot read"):
        opened(folder).__enter__()


def test_changed() -> None:
    assert changed({"a": 1, "b": {"c": None}}, {"a": 1.0, "b": {"c": None}}) == ""
    assert changed({"a": None}, {}) == "a: None → None"
    assert changed({"k": {"x": 1}}, {"k": {"x": 2}, "new": 3}) == "k.x: 1 → 2; new: None → 3"
    many = dict.fromkeys("abcdefg", 1)
    assert changed(many, {}).endswith("d: 1 → None and 3 more")


# ---- who holds it


def test_two_processes_on_one_folder(folder: Path) -> None:
    with opened(folder):
        with pytest.raises(ResourceError, match="in use by another process") as caught:
            opened(folder).__enter__()
        assert str(os.getpid()) in str(caught.value.got)
        assert forked(lambda: opened(folder).__enter__()) == 1
    assert forked(lambda: opened(folder).__enter__()) == 0


def test_the_lock_is_free_again_after_a_failed_start(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(run: Path) -> None:
        raise ResourceError("no")

    with monkeypatch.context() as patch, pytest.raises(ResourceError):
        patch.setattr(checkpoint, "clean", fail)
        opened(folder).__enter__()
    with opened(folder):
        pass


def test_two_that_begin_at_once_with_other_settings(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one was quicker between our first look and our lock."""
    enter = files.Lock.__enter__

    def late(self: files.Lock) -> files.Lock:
        monkeypatch.setattr(files.Lock, "__enter__", enter)
        with opened(folder, train=train_config(steps=9)):
            pass
        return enter(self)

    monkeypatch.setattr(files.Lock, "__enter__", late)
    with pytest.raises(ConfigError, match="holds another run"):
        opened(folder).__enter__()
    with opened(folder, train=train_config(steps=9)):
        pass


def test_several_ranks_are_refused_for_now(folder: Path) -> None:
    run = opened(folder)
    run.identity["world"] = 2
    with pytest.raises(ConfigError, match="one process") as caught:
        run.__enter__()
    assert caught.value.got == "2 ranks" and not folder.exists()


def test_the_command_that_resumes(folder: Path) -> None:
    settings = Training(folder).open(model()).settings
    path = Path("my runs/base")
    assert Run(path, settings, {}).resume == "danlu pretrain 'my runs/base/run.yaml'"
    assert Run(path, settings, {}, resume="danlu x").resume == "danlu x"


# ---- saving and going on


def saved(folder: Path, step: int = 3) -> Training:
    """A run with a checkpoint."""
    training = Training(folder)
    built = model()
    with training.open(built) as run:
        run.publish(built, tokenizer())
        optimizer = optimizers.build(built, training.optimizer)
        assert run.is_new
        run.save(built, optimizer, Steps(8), {"step": step, "tokens": 7})
        assert not run.is_new
    return training


def test_save_and_restore(folder: Path) -> None:
    training = saved(folder)
    built = model(seed=1)
    with training.open(built) as run:
        assert not run.is_new
        state = run.restore(built, optimizers.build(built, training.optimizer), Steps(8))
    assert state == {"step": 3, "tokens": 7}
    assert (built.embed.weight == model().embed.weight).all()


def test_a_second_fit_in_one_session_goes_on_from_the_first(folder: Path) -> None:
    training = Training(folder)
    built = model()
    with training.open(built) as run:
        run.publish(built, tokenizer())
        optimizer = optimizers.build(built, training.optimizer)
        assert run.restore(built, optimizer, Steps(8)) == {}
        for step in (1, 2, 3):
            run.save(built, optimizer, Steps(8), {"step": step})
            assert run.restore(built, optimizer, Steps(8)) == {"step": step}


def test_saving_before_publishing_is_a_mistake(folder: Path) -> None:
    built = model()
    with opened(folder) as run, pytest.raises(AssertionError, match="publish"):
        run.save(built, optimizers.build(built, OPTIMIZERS["muon"]), Steps(8), {"step": 1})


def test_a_killed_session_is_published_again(folder: Path) -> None:
    training = saved(folder)
    (folder / "model.safetensors").unlink()
    built = model()
    with training.open(built) as run:
        run.restore(built, optimizers.build(built, training.optimizer), Steps(8))
    assert (folder / "model.safetensors").is_file()


def test_what_would_be_another_run_is_refused(folder: Path) -> None:
    training = saved(folder)
    built = model()
    run = training.open(built)
    run.identity |= {"data": "other", "threads": 99}
    with run, pytest.raises(CheckpointError, match="would be another run") as caught:
        run.restore(built, optimizers.build(built, training.optimizer), Steps(8))
    assert caught.value.got == "data: d → other"


def test_what_is_not_bit_for_bit_is_said(folder: Path, capsys: Capture) -> None:
    training = saved(folder)
    built = model()
    run = training.open(built)
    run.identity |= {"threads": 99}
    with run:
        run.restore(built, optimizers.build(built, training.optimizer), Steps(8))
    assert "goes on, but not bit for bit: threads: 1 → 99" in capsys.readouterr().err


def test_another_optimizer_is_refused(folder: Path) -> None:
    training = saved(folder)
    built = model()
    with training.open(built) as run, pytest.raises(CheckpointError, match="of another run"):
        run.restore(built, optimizers.build(built, OPTIMIZERS["sgd"]), Steps(8))


def test_a_checkpoint_that_contradicts_itself(folder: Path) -> None:
    training = Training(folder)
    built = model()
    optimizer = optimizers.build(built, training.optimizer)
    with training.open(built) as run:
        run.publish(built, tokenizer())
        path = run.save(built, optimizer, Steps(8), {"step": 3})
        kept = {str(p.relative_to(path)): p.read_bytes() for p in path.rglob("*.*")}
        del kept["MANIFEST.json"]
        checkpoint.save(folder, 4, kept, info=run.identity)
        with pytest.raises(CheckpointError, match="contradicts itself"):
            run.restore(built, optimizer, Steps(8))


def test_identity_names_what_matters() -> None:
    run = opened(Path("x"))
    assert run.identity["world"] == 1 and run.identity["batch_tokens"] == 48
    assert run.identity["micro_batch"] == 2 and run.identity["schedule"]["steps"] == 8
    json.dumps(run.identity)
    kinds = {d.name.split(".")[0] for d in checkpoint.compare({}, run.identity, allow=run.identity)}
    assert kinds == set(run.identity)
    assert all(d.kind != "silent" for d in checkpoint.compare({}, run.identity, allow=kinds))


# ---- what it says


def test_status_is_not_fatal_and_complains_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    with opened(folder) as run:
        run.status("training", step=1)
        run.status("training", step=2)  # too soon
        assert json.loads((folder / "status.json").read_text())["step"] == 1

        def refuse(*arguments: Any, **options: Any) -> str:
            raise ResourceError("the disk is full")

        with monkeypatch.context() as patch:
            patch.setattr(files, "write_json", refuse)
            for step in (3, 4):
                run.status("training", force=True, step=step)
        assert capsys.readouterr().err.count("the disk is full") == 1
        run.status("training", force=True, step=5)
        assert json.loads((folder / "status.json").read_text())["step"] == 5


def test_notes(folder: Path) -> None:
    with opened(folder) as run:
        run.note("eval.json", {"loss": 1.0})
    assert files.read_json(folder / "eval.json") == {"loss": 1.0}


# ---- signals


def test_interruptible_off_the_main_thread() -> None:
    found: list[Interrupt] = []

    def work() -> None:
        with interruptible() as flag:
            found.append(flag)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found[0].signal == 0


def test_ignored_signals_stay_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as flag:
            os.kill(os.getpid(), signal.SIGHUP)
            assert flag.signal == 0 and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
            assert flag.signal == signal.SIGTERM
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_in_the_middle_of_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def reentrant(text: str) -> None:
        raise RuntimeError("reentrant call inside <_io.BufferedWriter name='<stderr>'>")

    monkeypatch.setattr("danlu.log.warn", reentrant)
    flag = Interrupt()
    flag(15, None)
    assert flag.signal == 15
