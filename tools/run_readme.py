"""Run every command and every Python block of a README, in order, in an empty folder.

    python tools/run_readme.py README.md

So the README cannot promise what does not work. `my_texts` are this project's own. Demos are
shortened to one minute; commands that talk with a person get their words from a pipe; `make` is
left to the caller.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[tuple[str, str]]:
    """(kind, source) of what can be run: each line of a shell block, each Python block whole."""
    found = []
    for kind, body in BLOCK.findall(text):
        if kind == "sh":
            lines = (line.split(" #")[0].strip() for line in body.splitlines())
            found += [("sh", line) for line in lines if line.startswith("danlu")]
        elif kind == "python":
            found.append(("python", body))
    return found


def shortened(line: str) -> str:
    """The same command, but quick."""
    if line.startswith("danlu demo") and "--minutes" not in line:
        return f"{line} --minutes 1"
    return re.sub(r"(--(train\.)?minutes) [\d.]+", r"\1 1", line)


def main() -> int:
    """Run them all; the exit code is the first failure's."""
    path = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "README.md")
    environment = dict(os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    environment["PYTHONPATH"] = str(ROOT / "tools" / "offline")
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "my_texts"
        texts.mkdir()
        for source in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("src/**/*.py")]:
            name = "-".join(source.relative_to(ROOT).with_suffix(".txt").parts)
            texts.joinpath(name).write_text(source.read_text("utf-8"), "utf-8")
        (Path(folder) / "recipes").symlink_to(ROOT / "recipes")
        for kind, source in commands(path.read_text("utf-8")):
            line = shortened(source) if kind == "sh" else source
            print(f"$ {line}" if kind == "sh" else f"python:\n{line}", flush=True)
            begun = time.monotonic()
            words = ["sh", "-c", line] if kind == "sh" else [sys.executable, "-c", line]
            done = subprocess.run(
                words, cwd=folder, env=environment, input="What does os.path.join do?\n", text=True
            )
            print(f"  → {done.returncode} after {time.monotonic() - begun:.0f} s\n", flush=True)
            if done.returncode:
                return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
