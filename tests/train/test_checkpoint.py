"""Checkpoints: the order of writing under every fault, and reading after every damage."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import resource
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from faults import Data, Fault, Mark, Names, Op, Recorder, Sync, crashes, forked, lay

from danlu import files
from danlu.errors import CheckpointError, ConfigError, ResourceError
from danlu.train import checkpoint, manifest
from danlu.train.checkpoint import clean, newest, republish, save, verify

Capture = pytest.CaptureFixture[str]

PLAN = [(1, "a"), (1, "b"), (2, "a"), (3, "a"), (3, "b")]
"""What a run saves, in order: step and variant. Steps 1 and 3 are saved again with other contents:
once as the only checkpoint, once among others; step 3 deletes step 1."""


def contents(step: int, variant: str = "a") -> dict[str, bytes]:
    seed = f"{step}{variant}".encode()
    return {
        "config.json": b'{"constant": true}\n',
        "model.safetensors": hashlib.sha256(b"m" + seed).digest() * 60,
        "state/train.json": b'{"step": "' + seed + b'"}',
        "state/optimizer-00000-of-00001.safetensors": hashlib.sha256(b"o" + seed).digest() * 40,
    }


def put(run: Path, step: int, variant: str = "a", **options: object) -> Path:
    return save(run, step, contents(step, variant), info={"v": variant}, **options)  # type: ignore


def which(found: checkpoint.Checkpoint | None) -> int:
    """The place in PLAN of a checkpoint that is that one byte for byte; -1: no checkpoint."""
    if found is None:
        return -1
    have = {str(p.relative_to(found.path)): p.read_bytes() for p in found.path.rglob("*.*")}
    del have["MANIFEST.json"]
    plans = [n for n, (step, variant) in enumerate(PLAN) if contents(step, variant) == have]
    assert plans, f"{found.path} is mixed"
    step, variant = PLAN[plans[0]]
    assert (found.step, found.info) == (step, {"v": variant})
    return plans[0]


def published(run: Path) -> int:
    """The place in PLAN of the weights at the top; -1: there are none."""
    path = run / "model.safetensors"
    if not path.exists():
        return -1
    weights = [contents(*plan)["model.safetensors"] for plan in PLAN]
    assert path.read_bytes() in weights, "torn weights at the top"
    return weights.index(path.read_bytes())


def listing(run: Path) -> list[str]:
    return sorted(p.name for folder in (run, run / "checkpoints") for p in folder.glob("*"))


def in_memory() -> Iterator[Path]:
    """A folder that does not wait for a busy disk, where the system has one."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as name:
        yield Path(name)


tmp_path = pytest.fixture(in_memory)
base = pytest.fixture(in_memory, scope="module")


@pytest.fixture(scope="module")
def before(base: Path) -> list[Path]:
    """The run folder as it is before each save of PLAN."""
    run = base / "run"
    run.mkdir()
    for number, plan in enumerate(PLAN):
        shutil.copytree(run, base / f"{number}", copy_function=os.link)
        put(run, *plan)
    return [base / f"{number}" for number in range(len(PLAN))]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here needs to wait for the real disk: power cuts happen in a model."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)


def go_on(run: Path) -> None:
    """The next start after a fault: clean, resume, save one more; nothing may be left over."""
    with files.Lock(run):
        clean(run)
        before = newest(run)
        put(run, 99)
        after = newest(run)
    assert after and after.step == 99 and (before is None or before.step < 99)
    assert all(not name.startswith(".") for name in listing(run)), listing(run)
    kept = [name for name in listing(run) if name.startswith("step-")]
    assert len(kept) == (1 if before is None else 2), kept
    assert (run / "model.safetensors").samefile(after.file("model.safetensors"))


# ---- the plain path


def test_save_and_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    for step in (1, 5, 9):
        put(run, step)
    assert listing(run) == ["checkpoints", "model.safetensors", "step-00000005", "step-00000009"]
    found = newest(run)
    assert found is not None and found.step == 9 and found.info == {"v": "a"}
    assert found.read("state/train.json") == contents(9)["state/train.json"]
    assert (run / "model.safetensors").samefile(found.file("model.safetensors"))
    assert verify(found.path) == []
    told = json.loads((found.path / "MANIFEST.json").read_text())
    assert list(told) == [
        *("format", "step", "created", "versions", "info", "files", "parent", "sha256")
    ]
    weights = contents(9)["model.safetensors"]
    digest = hashlib.sha256(weights).hexdigest()
    assert told["files"]["model.safetensors"] == {"bytes": len(weights), "sha256": digest}
    before = found.path.with_name("step-00000005") / "MANIFEST.json"
    assert told["parent"] == {"step": 5, "sha256": files.sha256(before)}
    with pytest.raises(CheckpointError, match="has no nothing"):
        found.file("nothing")
    found.file("config.json").write_bytes(b'{"constant": TRUE}\n')
    with pytest.raises(CheckpointError, match="changed since"):
        found.read("config.json")
    found.file("config.json").unlink()
    with pytest.raises(CheckpointError, match="cannot read"):
        found.read("config.json")


def test_no_checkpoint(tmp_path: Path) -> None:
    assert newest(tmp_path) is None
    clean(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    for name in (
        "step-1",
        "step-00000010.bak",
        "xstep-00000010",
        "best.json",
        "step-０００００００１",
    ):
        (tmp_path / "checkpoints" / name).mkdir()
    assert newest(tmp_path) is None


def test_contents_may_be_streams(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"one"
        yield b""
        yield b"two"

    save(tmp_path, 1, {"model.safetensors": parts(), "a": memoryview(b"xy")}, info={}, size=8)
    found = newest(tmp_path)
    assert found and found.read("model.safetensors") == b"onetwo" and found.read("a") == b"xy"


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../b", ".hidden", "a/.b", "a//b", "", "a\x00", "MANIFEST.json", "a/"]
)
def test_bad_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="not a name"):
        save(tmp_path, 1, {name: b"", "model.safetensors": b""}, info={})
    assert listing_of(tmp_path) == []


def listing_of(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="too few"):
        put(tmp_path, 1, keep=1)
    with pytest.raises(CheckpointError, match="8 digits"):
        put(tmp_path, 10**8)
    with pytest.raises(CheckpointError, match="published"):
        put(tmp_path, 1, publish=("state/train.json",))
    with pytest.raises(CheckpointError, match="cannot hold"):
        save(tmp_path, 1, {"model.safetensors": b""}, info={"x": "y" * (1 << 20)})
    with pytest.raises(CheckpointError, match="cannot hold"):  # doubled key: would not read back
        save(tmp_path, 1, {"model.safetensors": b""}, info={1: "a", "1": "b"})  # type: ignore
    assert listing_of(tmp_path) == ["checkpoints"]


def test_later_checkpoint_is_not_shadowed(tmp_path: Path) -> None:
    put(tmp_path, 2)
    put(tmp_path, 8)
    with pytest.raises(CheckpointError, match="later"):
        put(tmp_path, 5)
    flip(tmp_path / "checkpoints/step-00000008/config.json")  # damaged: the run fell back to 2
    put(tmp_path, 5)
    assert which_step(tmp_path) == 5


def which_step(run: Path) -> int | None:
    found = newest(run)
    return found.step if found else None


def test_failing_contents_leave_nothing(tmp_path: Path) -> None:
    def parts() -> Iterator[bytes]:
        yield b"x"
        raise KeyboardInterrupt

    put(tmp_path, 1)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, 2, {"model.safetensors": parts()}, info={})
    assert listing(tmp_path) == ["checkpoints", "model.safetensors", "step-00000001"]


def test_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    home, held = tmp_path / "checkpoints", 1_000_000

    def add(step: int) -> None:
        save(tmp_path, step, {"model.safetensors": b"x" * held}, info={}, keep=3)

    for step in (1, 2, 3):
        add(step)
    free = held // 2  # and each one that goes makes room
    monkeypatch.setattr(
        files, "free_bytes", lambda path: free + held * (3 - len(list(home.glob("step-*"))))
    )
    add(4)
    assert "step-00000001 is dropped to make room" in capsys.readouterr().err
    monkeypatch.setattr(files, "free_bytes", lambda path: 10)
    with pytest.raises(ResourceError, match="no room") as caught:  # dropping would not help
        save(tmp_path, 5, {"model.safetensors": iter(())}, info={}, size=10**8)
    assert caught.value.errno == errno.ENOSPC and "10 B free" in str(caught.value)
    assert [n for n in listing(tmp_path) if "-0" in n] == [f"step-0000000{n}" for n in (2, 3, 4)]


def test_streams_without_a_size_are_taken_to_be_like_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path, 1, {"model.safetensors": b"x" * 100_000}, info={})
    monkeypatch.setattr(files, "free_bytes", lambda path: 50_000)
    with pytest.raises(ResourceError, match="no room"):
        save(tmp_path, 2, {"model.safetensors": iter([b"x" * 100_000])}, info={})


def test_same_step_of_the_only_checkpoint_killed_between_the_renames(tmp_path: Path) -> None:
    home = put(tmp_path, 7).parent
    (home / "step-00000007").rename(home / ".trash-00000007")
    assert which_step(tmp_path) == 7  # a reader finds it before anybody cleans
    clean(tmp_path)
    assert listing(tmp_path) == ["checkpoints", "model.safetensors", "step-00000007"]


def test_a_damaged_step_is_replaced(tmp_path: Path, capsys: Capture) -> None:
    put(tmp_path, 1)
    flip(put(tmp_path, 2) / "config.json")
    assert which_step(tmp_path) == 1
    put(tmp_path, 2)
    capsys.readouterr()
    assert which_step(tmp_path) == 2 and capsys.readouterr().err == ""


def test_damaged_ones_count_for_nothing(tmp_path: Path) -> None:
    for step in (1, 2, 3):
        (put(tmp_path, step) / "config.json").write_bytes(b"") if step == 2 else put(tmp_path, step)
    assert {"step-00000001", "step-00000003"} <= set(listing(tmp_path))
    put(tmp_path, 4)
    assert [n for n in listing(tmp_path) if n[:4] == "step"] == ["step-00000003", "step-00000004"]


def test_republish(tmp_path: Path) -> None:
    put(tmp_path, 1)
    found = newest(tmp_path)
    assert found
    republish(found)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "model.safetensors").write_bytes(b"old")
    republish(found)
    assert (tmp_path / "model.safetensors").samefile(found.file("model.safetensors"))


def test_reader_keeps_the_old_file(tmp_path: Path) -> None:
    put(tmp_path, 1)
    with (tmp_path / "model.safetensors").open("rb") as file:
        for step in (2, 3, 4):
            put(tmp_path, step)
        assert file.read() == contents(1)["model.safetensors"]


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    put(tmp_path, 1)
    put(tmp_path, 2)
    assert (tmp_path / "model.safetensors").read_bytes() == contents(2)["model.safetensors"]
    assert (tmp_path / "model.safetensors").stat().st_nlink == 1


# ---- faults while writing


def kill(verb: str) -> None:
    os._exit(137)


def test_kill_at_every_point(tmp_path: Path, before: list[Path], capsys: Capture) -> None:
    count, run = 0, tmp_path / "run"

    def work() -> None:
        with files.Lock(run):
            clean(run, disk=fault)
            put(run, *PLAN[number], disk=fault)

    for number, folder in enumerate(before):
        for at in itertools.count(1):
            shutil.copytree(folder, run, copy_function=os.link)  # nothing is written in place
            fault = Fault(at, kill)
            code = forked(work)
            found = which(newest(run))
            assert found in (number - 1, number), (number, at)
            assert published(run) in (number - 1, number) and published(run) <= found
            assert capsys.readouterr().err == ""
            go_on(run)
            shutil.rmtree(run)
            if code == 0:
                break
            assert code == 137
            count += 1
    print(f"kill: {count} points")
    assert count > 150


def test_kill_while_a_start_puts_a_checkpoint_back(tmp_path: Path) -> None:
    """The only checkpoint was moved aside by a save that was killed; then the next start is."""
    for at in itertools.count(1):
        run = tmp_path / f"{at}"
        home = put(run, *PLAN[0]).parent
        (home / "step-00000001").rename(home / ".trash-00000001")
        (home / "step-00000001").mkdir()  # and something broken has its name
        fault = Fault(at, kill)
        code = forked(lambda run=run, fault=fault: clean(run, disk=fault))
        assert which(newest(run)) == 0
        go_on(run)
        if code == 0:
            break
    assert at > 5


def fails(code: int) -> Callable[[str], None]:
    def act(verb: str) -> None:
        raise OSError(code, os.strerror(code))

    return act


FAULTS = {
    "ENOSPC once": (errno.ENOSPC, None),
    "ENOSPC until space is freed": (errno.ENOSPC, lambda v: v in ("mkdir", "write", "link")),
    "EIO once": (errno.EIO, None),
    "EIO from then on": (errno.EIO, lambda verb: True),
    "EACCES once": (errno.EACCES, None),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_error_at_every_point(
    tmp_path: Path, before: list[Path], kind: str, capsys: Capture
) -> None:
    code, sticky = FAULTS[kind]
    raised = survived = 0
    run = tmp_path / "run"
    for number, folder in enumerate(before):
        for at in itertools.count(1):
            shutil.copytree(folder, run, copy_function=os.link)
            disk = Fault(at, fails(code), sticky=sticky)
            try:
                put(run, *PLAN[number], disk=disk)
                found = which(newest(run))
                assert found == published(run) == number, at
                if disk.count < at:
                    assert not [n for n in listing(run) if n.startswith(".")]
                survived += disk.count >= at  # a deletion failed: only a warning
            except ResourceError as error:
                raised += 1
                assert error.errno == code and error.fix
                found = which(newest(run))
                assert number - 1 <= published(run) <= found <= number, (number, at)
                if kind.startswith("ENOSPC"):  # it could clean up
                    assert not [n for n in listing(run) if n.startswith(".")], (number, at)
                put(run, *PLAN[number])  # the fault is over: the next save works
                assert which(newest(run)) == published(run) == number
            go_on(run)
            shutil.rmtree(run)
            if disk.count < at:
                break
    print(f"{kind}: {raised} raised, {survived} went on")
    assert raised > 100


def test_short_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(data)[:7]))
    for number, plan in enumerate(PLAN):
        put(tmp_path, *plan)
        assert which(newest(tmp_path)) == published(tmp_path) == number


def test_file_size_limit(tmp_path: Path) -> None:
    """An honest full disk: the system itself cuts a write short, then refuses."""
    big = {"model.safetensors": b"x" * 300_000}
    put(tmp_path, 1)

    def work() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        with pytest.raises(ResourceError, match="too large") as caught:
            save(tmp_path, 2, big, info={})
        assert caught.value.errno == errno.EFBIG
        assert listing(tmp_path) == ["checkpoints", "model.safetensors", "step-00000001"]
        assert which_step(tmp_path) == 1
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        save(tmp_path, 2, big, info={})

    assert forked(work) == 0
    assert which_step(tmp_path) == 2


# ---- power cuts


def recorded(base: Path) -> list[Op]:
    base.mkdir()
    disk = Recorder(base)
    run = base / "run"
    for number, (step, variant) in enumerate(PLAN):
        put(run, step, variant, disk=disk)
        disk.mark(number)
    return disk.ops


def judge(ops: list[Op], base: Path, *, enough: int = 10_000) -> tuple[int, list[str]]:
    """How many states a power cut may leave, and what is wrong in them, by the real reader.

    Stops after `enough` bad ones.
    """
    bad: list[str] = []
    number = 0
    for done, tree in crashes(ops):
        number += 1
        place = base / f"{number}"
        place.mkdir()
        lay(tree, place)
        run = place / "run"
        try:
            found = which(newest(run))
            assert done <= found <= done + 1, f"{found} instead of {done}"
            assert done <= published(run) <= done + 1
            if run.is_dir():
                clean(run)
                assert done <= which(newest(run)) <= done + 1, "clean() destroyed it"
                if number % 10 == 0:
                    go_on(run)
        except AssertionError as error:
            bad.append(f"after {done}: {str(error).splitlines()[0]}")
            if len(bad) == enough:
                break
        shutil.rmtree(place)
    return number, bad


def test_power_cuts(tmp_path: Path) -> None:
    states, bad = judge(recorded(tmp_path / "base"), tmp_path)
    print(f"power cuts: {states} states")
    assert bad == []
    assert states > 300


CONTROLS: dict[str, Callable[[Op], bool]] = {
    "no file is synced": lambda op: isinstance(op, Sync) and not op.what.endswith("/"),
    "weights are not synced": lambda op: isinstance(op, Sync) and op.what == "model.safetensors",
    "the manifest is not synced": lambda op: isinstance(op, Sync) and op.what == "MANIFEST.json",
    "no folder is synced": lambda op: isinstance(op, Sync) and op.what.endswith("/"),
    "state/ is not synced": lambda op: isinstance(op, Sync) and op.what == "state/",
    ".tmp-N/ is not synced": lambda op: isinstance(op, Sync) and op.what == ".tmp/",
    "checkpoints/ is not synced": lambda op: isinstance(op, Sync) and op.what == "checkpoints/",
    "run/ is not synced": lambda op: isinstance(op, Sync) and op.what == "run/",
    "its parent is not synced": lambda op: isinstance(op, Sync) and op.what == "base/",
}


@pytest.mark.parametrize("control", CONTROLS)
def test_power_cuts_would_be_seen(tmp_path: Path, control: str) -> None:
    """The mutation control: with any one sync taken away, the same judge finds bad states."""
    ops = recorded(tmp_path / "base")
    mutant = [op for op in ops if not CONTROLS[control](op)]
    assert len(mutant) < len(ops)
    assert judge(mutant, tmp_path, enough=1)[1]


def test_power_cut_after_an_interrupted_save(tmp_path: Path) -> None:
    """A save of the only step again dies before its commit is durable, and cleans up."""

    class Interrupted(Recorder):
        due = False

        def fsync_dir(self, path: Path) -> None:
            if self.due and path.name == "checkpoints":
                self.due = False
                raise KeyboardInterrupt
            super().fsync_dir(path)

    (tmp_path / "base").mkdir()
    disk, run = Interrupted(tmp_path / "base"), tmp_path / "base/run"
    put(run, *PLAN[0], disk=disk)
    disk.mark(0)
    disk.due = True
    with pytest.raises(KeyboardInterrupt):
        put(run, *PLAN[1], disk=disk)
    assert judge(disk.ops, tmp_path)[1] == []
    mutant = [op for op in disk.ops if not CONTROLS["checkpoints/ is not synced"](op)]
    assert judge(mutant, tmp_path, enough=1)[1]


def test_the_model_of_the_disk(tmp_path: Path) -> None:
    """By hand: a file is created, written, synced; its name is durable only with its folder."""
    file = [Names(0, {"a": 1}, "create"), Data(1, b"xy")]
    states = [tree for _, tree in crashes([*file])]
    assert states == [{}, {"a": b""}, {"a": b"xy"}, {"a": b"x"}]
    states = [tree for _, tree in crashes([*file, Sync(1, "a"), Sync(0, "/"), Mark(0)])]
    assert states[-1] == {"a": b"xy"} and states.count({"a": b"xy"}) == 2  # before, after the mark


# ---- damage at rest


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "truncate": lambda path, other: os.truncate(path, path.stat().st_size // 2),
    "flip": lambda path, other: flip(path),
    "delete": lambda path, other: path.unlink(),
    "zero": lambda path, other: path.write_bytes(bytes(path.stat().st_size)),
    "swap": lambda path, other: shutil.copy(other, path),
    "link": lambda path, other: (path.unlink(), path.symlink_to(other)),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", [*contents(1), "MANIFEST.json"])
def test_damage(tmp_path: Path, name: str, damage: str, capsys: Capture) -> None:
    old, new = put(tmp_path, 1), put(tmp_path, 2)
    DAMAGES[damage](new / name, old / name)
    same = damage == "swap" and name == "config.json"  # constant in a run: no damage
    found = newest(tmp_path)
    assert found and found.step == (2 if same else 1)
    said = capsys.readouterr().err
    if same:
        assert said == ""
        return
    assert said.count("passed over") == 1 and "step-00000002" in said and name in said
    assert any(name in problem for problem in verify(new))
    assert new.is_dir()  # left in place


def test_every_bit_of_the_manifest(tmp_path: Path, capsys: Capture) -> None:
    path = put(tmp_path, 1) / "MANIFEST.json"
    raw = path.read_bytes()
    for place in range(len(raw)):
        broken = bytearray(raw)
        broken[place] ^= 1 << place % 8
        path.write_bytes(broken)
        assert newest(tmp_path) is None, place
    path.write_bytes(raw)
    assert which_step(tmp_path) == 1


def resealed(path: Path, **changes: object) -> None:
    told = json.loads(path.read_text())
    del told["sha256"]
    path.write_bytes(manifest.sealed({**told, **changes}))


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"files": {"../x": {"bytes": 1, "sha256": ""}}}, "not of the format"),
        ({"files": {"/etc/passwd": {"bytes": 1, "sha256": ""}}}, "not of the format"),
        ({"files": {"x": {"bytes": True, "sha256": ""}}}, "not of the format"),
        ({"files": []}, "not of the format"),
        ({"files": {"x": 3}}, "not of the format"),
        ({"step": "1"}, "not of the format"),
        ({"step": 3}, "of step 3"),
        ({"info": None}, "not of the format"),
        ({"format": 0}, "no format"),
        ({"format": True}, "no format"),
    ],
)
def test_hostile_manifest(
    tmp_path: Path, changes: dict[str, object], reason: str, capsys: Capture
) -> None:
    put(tmp_path, 1)
    new = put(tmp_path, 2)
    resealed(new / "MANIFEST.json", **changes)
    assert which_step(tmp_path) == 1
    assert reason in capsys.readouterr().err and reason in verify(new)[0]


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"[" * 200_000, b'"\xff"', b"1" * 5000, b" " * (2 << 20)]
)
def test_manifest_that_is_no_table(tmp_path: Path, raw: bytes, capsys: Capture) -> None:
    put(tmp_path, 1)
    (put(tmp_path, 2) / "MANIFEST.json").write_bytes(raw)
    assert which_step(tmp_path) == 1


def test_newer_format_is_refused(tmp_path: Path) -> None:
    put(tmp_path, 1)
    resealed(put(tmp_path, 2) / "MANIFEST.json", format=2, files=7)
    with pytest.raises(CheckpointError, match="format 2 is too new"):
        newest(tmp_path)
