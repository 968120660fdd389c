"""`danlu prepare` when the machine fails, files change under it, or somebody stops it.

Nothing that is finished is lost: the same command goes on, and gives the corpus that one run gives.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hostile_examples import LINES, content, names, refusal, refused, texts, write_good

from danlu import cli, log
from danlu.data import portions
from danlu.data.corpus import Corpus

Capture = pytest.CaptureFixture[str]
Meanwhile = Callable[[Callable[[], object]], None]

SMALL = 10_000
"""Bytes in a portion here: a file each."""
PREPARE = ("prepare", "in", "--out", "c", "--steps", "short", "exact", "--processes")
FILES, LAST = 10, "in/good-09.txt"  # so many that two workers have not begun with the last

CHILD = f"""
import os, sys
from danlu import cli, log
from danlu.data import portions

portions.PORTION_BYTES = {SMALL}
calls, update = [], log.Progress.update

def updated(*args, **kw):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), int(sys.argv[1]))
    return update(*args, **kw)

log.Progress.update = updated
sys.exit(cli.main(sys.argv[2:]))
"""
"""`danlu` that gets a signal after its third portion: in a process of its own, as the runner of the
tests, or a package loaded there, may have a handler too."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with texts for ten portions in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(portions, "PORTION_BYTES", SMALL)
    write_good(tmp_path / "in", files=FILES, paragraphs=25)
    return tmp_path


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What these texts give when nothing happens."""
    home = tmp_path_factory.mktemp("whole")
    write_good(home / "in", files=FILES, paragraphs=25)
    with contextlib.chdir(home), pytest.MonkeyPatch.context() as patch:
        patch.setattr(portions, "PORTION_BYTES", SMALL)
        assert cli.main([*PREPARE, "1"]) == 0
    return content(home / "c")


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Does something once three portions were begun."""
    calls, update = [], log.Progress.update

    def arrange(happens: Callable[[], object]) -> None:
        def updated(self: log.Progress, *args: float, **kw: float) -> None:
            calls.append(1)
            if len(calls) == 3:
                happens()
            update(self, *args, **kw)  # type: ignore[arg-type]

        monkeypatch.setattr(log.Progress, "update", updated)

    return arrange


def check_it_goes_on(capsys: Capture, whole: dict[str, bytes], processes: int = 1) -> None:
    """The same command goes on, and nothing shows that it was interrupted."""
    capsys.readouterr()
    assert cli.main([*PREPARE, str(processes)]) == 0
    assert "going on where it was interrupted" in capsys.readouterr().err
    assert content(Path("c")) == whole
    assert names() == ["c", "in"]


# ---- permissions and disks


def without_privilege() -> None:
    """As root: give up reading what permissions forbid; they become effective by `exec`."""
    if os.geteuid() == 0:
        for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
            ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)  # PR_CAPBSET_DROP


def unprivileged(*words: str) -> subprocess.CompletedProcess[str]:
    """`danlu` for somebody whom permissions bind."""
    return subprocess.run(
        [sys.executable, "-m", "danlu", *words],
        capture_output=True,
        text=True,
        timeout=100,
        preexec_fn=without_privilege,
    )


@pytest.fixture
def shut(here: Path) -> Iterator[list[str]]:
    """A file that may not be read, a folder that may not be listed, and one not to be entered."""
    (here / "in/secret.txt").write_text(LINES[0])
    for name in ("shut", "listed"):
        (here / "in" / name).mkdir()
        (here / "in" / name / "a.txt").write_text(LINES[1])
    for name, mode in (("secret.txt", 0), ("shut", 0), ("listed", 0o444)):
        (here / "in" / name).chmod(mode)
    yield ["in/secret.txt", "in/shut", "in/listed"]
    for name in ("shut", "listed"):
        (here / "in" / name).chmod(0o700)


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux'")
def test_what_may_not_be_read(here: Path, shut: list[str]) -> None:
    done = unprivileged(*PREPARE, "1")
    assert done.returncode == 3
    assert done.stderr.startswith("danlu: cannot read in/")
    assert ": permission denied\n" in done.stderr
    assert names() == ["in"]
    done = unprivileged(*PREPARE, "1", "--skip-broken")
    assert done.returncode == 0, done.stderr
    assert all(f"cannot read {name}" in done.stderr for name in shut)
    corpus = Corpus.open(here / "c")
    assert {row["file"] for row in corpus.manifest["broken"]} >= {"secret.txt", "shut"}
    assert {name.partition("#")[0] for name in texts(corpus)} == {
        f"good-{number:02}.txt" for number in range(FILES)
    }


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux'")
def test_where_one_may_not_write(here: Path) -> None:
    (here / "locked").mkdir(mode=0o555)
    done = unprivileged("prepare", "in", "--out", "locked/c")
    assert done.returncode == 4
    assert "choose a folder that you may write to" in done.stderr
    assert not list(Path("locked").iterdir())


@contextlib.contextmanager
def full_after(size: int) -> Iterator[None]:
    """No file may be larger: the disk is full, as far as this process and its children can tell."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))  # Python ignores SIGXFSZ
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("processes", [1, 2])
def test_a_full_disk(capsys: Capture, whole: dict[str, bytes], processes: int) -> None:
    with full_after(3000):
        said = refused(capsys, 4, *PREPARE, processes)
    assert "file too large" in said
    assert names() == ["in"]
    assert cli.main([*PREPARE, str(processes)]) == 0
    assert content(Path("c")) == whole


def test_a_disk_that_fills_later_keeps_what_is_finished(
    here: Path, capsys: Capture, whole: dict[str, bytes], meanwhile: Meanwhile
) -> None:
    with contextlib.ExitStack() as stack:
        meanwhile(lambda: stack.enter_context(full_after(3000)))
        said = refused(capsys, 4, *PREPARE, 1)
    assert f"what is finished is kept in {here / '.c.work'}: the same command" in said
    check_it_goes_on(capsys, whole)


def test_a_full_disk_leaves_the_corpus_that_is_there(
    capsys: Capture, whole: dict[str, bytes]
) -> None:
    assert cli.main([*PREPARE, "1"]) == 0
    with full_after(3000):
        refusal(capsys, 4, *PREPARE, 1, "--force", "--min-characters", 30)
    assert content(Path("c")) == whole
    Corpus.open(Path("c")).verify()


# ---- files that change


def change(path: str, how: str) -> None:
    """Do to a file what another program may do while it is read."""
    if how == "vanishes":
        Path(path).rename("kept")
    elif how == "grows":
        with Path(path).open("a") as file:
            file.write(LINES[0])
    else:
        os.truncate(path, 5000)


@pytest.mark.parametrize(
    ("how", "said", "processes"),
    [
        ("vanishes", "vanished", 2),
        ("vanishes", "vanished", 1),
        ("grows", "changed", 1),
        ("shrinks", "changed", 1),
    ],
)
def test_a_file_that_changes(
    capsys: Capture,
    whole: dict[str, bytes],
    meanwhile: Meanwhile,
    how: str,
    said: str,
    processes: int,
) -> None:
    before = Path(LAST).read_bytes()
    meanwhile(lambda: change(LAST, how))
    message = refused(capsys, 3, *PREPARE, processes)
    assert f"danlu: good-09.txt {said} while it was read" in message
    assert "kept in" in message
    Path("kept").unlink(missing_ok=True)
    Path(LAST).write_bytes(before)
    check_it_goes_on(capsys, whole, processes)


def test_what_was_changed_is_read_as_it_is_now(capsys: Capture, meanwhile: Meanwhile) -> None:
    meanwhile(lambda: change(LAST, "grows"))
    refused(capsys, 3, *PREPARE, 1)
    assert cli.main([*PREPARE, "1"]) == 0
    assert any(LINES[0] in text for text in texts(Corpus.open(Path("c"))).values())


@pytest.mark.parametrize("how", ["vanishes", "shrinks"])
def test_an_archive_that_changes(capsys: Capture, meanwhile: Meanwhile, how: str) -> None:
    shutil.make_archive("in/z", "zip", "in")
    meanwhile(lambda: change("in/z.zip", how))
    message = refused(capsys, 3, *PREPARE, 1)
    assert "danlu: z.zip/good-0" in message
    assert f"{'vanished' if how == 'vanishes' else 'changed'} while it was read" in message


# ---- signals and processes


def stopped(number: int, processes: int) -> subprocess.CompletedProcess[str]:
    """`danlu prepare` that gets a signal in the middle."""
    command = [sys.executable, "-c", CHILD, str(int(number)), *PREPARE, str(processes)]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


@pytest.mark.parametrize(
    ("number", "code", "processes"), [(signal.SIGINT, 130, 2), (signal.SIGTERM, 143, 1)]
)
def test_signals_that_ask(
    here: Path, capsys: Capture, whole: dict[str, bytes], number: int, code: int, processes: int
) -> None:
    done = stopped(number, processes)
    assert done.returncode == code
    assert done.stderr.count("danlu: ") == 1
    assert "Traceback" not in done.stderr
    assert "danlu: stopped; the same command again goes on" in done.stderr
    assert f"what is finished is kept in {here / '.c.work'}" in done.stderr
    assert names() == [".c.work", "in"]
    check_it_goes_on(capsys, whole)


def test_a_signal_that_does_not_ask(capsys: Capture, whole: dict[str, bytes]) -> None:
    assert stopped(signal.SIGKILL, 1).returncode == -signal.SIGKILL
    assert names() == [".c.work", "in"]
    check_it_goes_on(capsys, whole)


def test_a_killed_worker_is_replaced(
    monkeypatch: pytest.MonkeyPatch, whole: dict[str, bytes], meanwhile: Meanwhile
) -> None:
    started: list[subprocess.Popen[str]] = []
    start = subprocess.Popen.__init__

    def noted(self: subprocess.Popen[str], *args: object, **kw: object) -> None:
        started.append(self)
        start(self, *args, **kw)  # type: ignore[arg-type]

    monkeypatch.setattr(subprocess.Popen, "__init__", noted)
    meanwhile(lambda: started[0].kill())
    assert cli.main([*PREPARE, "2"]) == 0
    assert len(started) == 3
    assert content(Path("c")) == whole


def test_two_at_once_on_one_output(
    capsys: Capture, whole: dict[str, bytes], meanwhile: Meanwhile
) -> None:
    said: list[subprocess.CompletedProcess[str]] = []
    command = [sys.executable, "-m", "danlu", *PREPARE, "1"]
    meanwhile(lambda: said.append(subprocess.run(command, capture_output=True, text=True)))
    assert cli.main([*PREPARE, "1"]) == 0
    assert content(Path("c")) == whole
    assert said[0].returncode == 4
    assert said[0].stderr.startswith("danlu: ")
    assert ".c.work is in use by another process" in said[0].stderr
    assert re.search(rf"got: +process {os.getpid()} on ", said[0].stderr)
