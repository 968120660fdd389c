"""Make .venv and install Danlu into it: `python3 tools/install.py [EXTRA]`.

Runs on any Python, also on one that is too old, because its only job is to say so. Installs what
constraints.txt pins; does nothing if that was done already.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
NEEDED = 3 * 10**9


def stop(what, fix):
    """Say what is wrong and what to do, and leave with the code for a lacking machine."""
    sys.stderr.write("danlu: %s\n  fix: %s\n" % (what, fix))
    sys.exit(4)


def check_machine():
    """Is Python new enough, is venv there, is there room?"""
    version = "%d.%d" % sys.version_info[:2]
    if sys.version_info < (3, 11):
        stop(
            "Python %s is too old, 3.11 or newer is needed" % version,
            "install it (https://www.python.org/downloads, or `sudo apt-get install python3.11 "
            "python3.11-venv`), then `make PYTHON=python3.11 …`",
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        stop(
            "this Python comes without the venv module",
            "`sudo apt-get install python%s-venv` (Debian, Ubuntu), or Python from python.org"
            % version,
        )
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED and not os.path.isdir(VENV):
        stop(
            "only %.1f GB are free on this disk, 3 GB are needed" % (free / 1e9),
            "free some space, or clone Danlu to another disk",
        )


def python():
    """The environment's own Python."""
    folder, name = ("Scripts", "python.exe") if os.name == "nt" else ("bin", "python")
    return os.path.join(VENV, folder, name)


def pip(*words):
    """Run pip in the environment; returns its exit code and what it said of errors."""
    command = [python(), "-m", "pip", "--disable-pip-version-check", *words]
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr


def mark(extra):
    """What would have to change for a new installation to be needed."""
    digest = hashlib.sha256()
    for name in ("pyproject.toml", "constraints.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return os.path.join(VENV, "installed-%s-%s" % (extra or "core", digest.hexdigest()[:12]))


def main():
    """Install, unless that was done."""
    extra = sys.argv[1] if len(sys.argv) > 1 else ""
    check_machine()
    if os.path.exists(mark(extra)):
        return
    if not os.path.exists(python()):
        done = subprocess.run([sys.executable, "-m", "venv", VENV])
        if done.returncode:
            shutil.rmtree(VENV, ignore_errors=True)
            stop("the environment .venv could not be made", "see the message above")
    print("installing into .venv (a minute or two, about 1.5 GB) …", flush=True)
    target = ".[%s]" % extra if extra else "."
    code, said = pip("install", "-q", "-c", "constraints.txt", "-e", target)
    if code:
        lines = [line for line in said.splitlines() if "ERROR" in line] or said.splitlines()
        full = "No space left" in said
        stop(
            "pip could not install: %s" % (lines[-1] if lines else "no reason given"),
            "free some space on this disk"
            if full
            else "look at the message; behind a proxy or mirror set PIP_INDEX_URL",
        )
    with open(mark(extra), "w") as file:
        file.write("ok\n")


if __name__ == "__main__":
    main()
