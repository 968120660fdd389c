"""The command line: `danlu COMMAND [FILE.yaml] [--a.b value ...]`.

Only the chosen command is imported, so help is quick and a broken optional package breaks only the
command that needs it. Results go to stdout, everything else to stderr.

Exit codes: 0 done · 1 a check failed, or training cannot go on · 2 wrong usage or settings ·
3 unusable data or model · 4 the machine lacks something · 70 a bug · 130 Ctrl-C · 143 SIGTERM.
"""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu import discover
from danlu.errors import ConfigError, DanluError, ResourceError
from danlu.visible import visible

COMMANDS = "danlu.commands"
ORDER = (
    "demo",
    "prepare",
    "corpus",
    "tokenizer",
    "extend",
    "tokenize",
    "embed",
    "pretrain",
    "evaluate",
    "finetune",
    "generate",
    "chat",
    "import",
    "report",
    "doctor",
)
COMMON = """
every command also takes:
  --dry-run      print the resolved settings and the plan, and stop
  --json         one JSON object on stdout, also for errors
  --quiet, -q    results only
  --verbose, -v  details, and the traceback of an error
"""


@dataclass
class Options:
    """What every command takes."""

    dry_run: bool = False
    as_json: bool = False
    level: int = 1


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, ValueError):
            stream.reconfigure(encoding="utf-8", errors="replace")  # type: ignore[union-attr]
    # threads that wait must sleep: spinning costs 10 times the speed beside another busy process
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if argv is None else argv)
    options, words = split_options(words)
    try:
        if not words or words[0] in ("-h", "--help", "help"):
            return _help() if words else _welcome()
        if words[0] in ("--version", "version"):
            import danlu

            print(f"danlu {danlu.__version__}")  # noqa: T201
            return 0
        with _terminable():
            return _run(words[0], words[1:], options)
    except DanluError as error:
        return _failed(error, options)
    except KeyboardInterrupt as stop:
        code = 128 + getattr(stop, "signal", signal.SIGINT)
        return _complain("stopped; the same command again goes on where it can", code, options)
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except MemoryError:
        lacking = ResourceError(
            "out of memory", fix="use a smaller model, train.micro_tokens or train.context"
        )
        return _failed(lacking, options)
    except Exception as error:
        return _bug(error, words, options)


def split_options(words: list[str]) -> tuple[Options, list[str]]:
    """The options that every command takes, and the other words.

    >>> split_options(["demo", "--json", "--minutes", "2"])
    (Options(dry_run=False, as_json=True, level=1), ['demo', '--minutes', '2'])
    """
    options, rest = Options(), []
    for place, word in enumerate(words):
        if word == "--":
            rest += words[place:]
            break
        if word == "--dry-run":
            options.dry_run = True
        elif word == "--json":
            options.as_json = True
        elif word in ("-q", "--quiet"):
            options.level = 0
        elif word in ("-v", "--verbose"):
            options.level = 2
        else:
            rest.append(word)
    return options, rest


def _run(name: str, words: list[str], options: Options) -> int:
    command = discover.find(COMMANDS, name, "command")
    from danlu import config, log, present

    description = (command.__doc__ or "").strip() + "\n" + COMMON
    with _explained_as_json(options):
        cfg = config.parse(command.Config, words, prog=f"danlu {name}", description=description)
    with log.loudness(options.level, as_json=options.as_json):
        if options.dry_run:
            plan = command.plan(cfg) if hasattr(command, "plan") else {}
            settings = cfg.model_dump(mode="json")
            if options.as_json:
                present.print_json({"settings": settings, "plan": plan})
            else:
                print(config.dump(cfg), end="")  # noqa: T201
                present.show(plan, as_json=False)
            return 0
        result: dict[str, Any] = command.run(cfg) or {}
        code = int(result.pop("exit_code", 0))
        if hasattr(command, "show") and not options.as_json:
            command.show(result)
        else:
            present.show(result, as_json=options.as_json)
        return code


@contextlib.contextmanager
def _explained_as_json(options: Options) -> Iterator[None]:
    """With --json, turn what tyro prints about a wrong flag into our error."""
    if not options.as_json:
        yield
        return
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            yield
    except SystemExit as stop:
        if not stop.code:
            raise
        lines = (line.strip(" │╭╮╰╯─\n") for line in said.getvalue().splitlines())
        raise ConfigError(" ".join(filter(None, lines))) from None


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: locks are given back, a sentence is said."""

    signal = signal.SIGTERM


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, unless somebody already decided what it does."""

    def end(number: int, frame: object) -> None:
        raise Terminated

    in_main = threading.current_thread() is threading.main_thread()
    if not in_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _help() -> int:
    """All commands, with the first line of what they say of themselves."""
    print("danlu COMMAND [FILE.yaml] [--name value ...]\n")  # noqa: T201
    for name in _commands():
        print(f"  {name:<10} {discover.summary(COMMANDS, name)}")  # noqa: T201
    print("\nA YAML file is a complete experiment; flags override it.")  # noqa: T201
    print("`danlu COMMAND --help` lists its settings." + "\n" + COMMON.rstrip())  # noqa: T201
    print((__doc__ or "").strip().split("\n\n")[-1])  # noqa: T201
    return 0


def _commands() -> list[str]:
    have = discover.names(COMMANDS)
    return [*(name for name in ORDER if name in have), *(n for n in have if n not in ORDER)]


def _welcome() -> int:
    """What is in this folder, and the one next step."""
    runs = sorted(Path("runs").glob("**/config.json")) if Path("runs").is_dir() else []
    runs = [path for path in runs if "checkpoints" not in path.parts]
    print("Danlu 丹炉: from raw text to your own language model.\n")  # noqa: T201
    if runs:
        print("models here:")  # noqa: T201
        for path in runs[:10]:
            print(f"  {path.parent}")  # noqa: T201
        chat = next((p.parent for p in runs if p.parent.name == "chat"), runs[-1].parent)
        print(f"\nnext:  danlu chat {chat}")  # noqa: T201
    else:
        print("next:  danlu demo            (10 minutes, no network, no data needed)")  # noqa: T201
    print("       danlu --help          all commands")  # noqa: T201
    return 0


def _failed(error: DanluError, options: Options) -> int:
    from danlu import present

    if options.as_json:
        present.print_json({"error": error.as_json()})
    else:
        print(f"danlu: {visible(str(error))}", file=sys.stderr)  # noqa: T201
        if options.level > 1:
            traceback.print_exception(error)
    return error.exit_code


def _complain(text: str, code: int, options: Options) -> int:
    from danlu import present

    if options.as_json:
        present.print_json({"error": {"message": text, "exit_code": code}})
    else:
        print(f"\ndanlu: {visible(text)}", file=sys.stderr)  # noqa: T201
    return code


def _bug(error: Exception, words: list[str], options: Options) -> int:
    """Something nobody thought of: keep the traceback in a file, and say where it is."""
    from danlu import files

    text = "".join(traceback.format_exception(error))
    path = Path("danlu-error.log")
    said = f"danlu {' '.join(words)}\n{text}"
    try:
        files.write_atomic(path, said.encode(errors="backslashreplace"), sync=False)
        where = f"the traceback is in {path}; please attach it to a report"
    except DanluError:
        where = text
    if options.level > 1:
        traceback.print_exception(error)
    return _complain(f"a bug: {type(error).__name__}: {error}\n  {where}", 70, options)


if __name__ == "__main__":
    sys.exit(main())  # pragma: no cover
