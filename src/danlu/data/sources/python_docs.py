"""The corpus of anyone who has no data: the documentation that comes with Python, on every disk.

In this order: the language reference (`pydoc_data.topics`), docstrings of the standard library, of
torch, of numpy, and of the other installed packages by name, until there is enough. One document is
one docstring under its name and signature. Sources are parsed, never imported.
"""

from __future__ import annotations

import ast
import os
import re
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from danlu.data.inputs import SourceFile, unreadable
from danlu.data.sources import _docstrings
from danlu.data.sources._helper import Helper
from danlu.types import Document

SUFFIXES = ()
"""A user's `.py` files are text like any other; this source is read when no path is given."""

PACKAGE_BYTES = 2_000_000
"""Most that one package besides torch and numpy may give: some are generated, and endless."""

SKIP_FOLDERS = (
    " test tests testing vendor vendored externals extern examples site-packages dist-packages "
    " idlelib lib2to3 turtledemo ensurepip graph_objs "
)
"""Not entered: tests, copies of other packages, what nobody reads about, and plotly's 9 MB of
generated sentences. Private folders are not either, but for numpy's `_core`: they are half of
torch's files and a sixth of its docstrings."""


def find() -> list[SourceFile]:
    """All Python files with documentation that this Python can import, in reading order."""
    library = Path(sysconfig.get_path("stdlib"))
    topics = library / "pydoc_data" / "topics.py"
    found = [_file(topics, library, "Python reference")] if topics.is_file() else []
    found += [_file(path, library, "Python library") for path in _walk(library) if path != topics]
    for root in _package_roots():
        listed = sorted(root.iterdir(), key=lambda path: (_rank(path.name), path.name.lower()))
        for entry in listed:
            if _is_package(entry):
                files = _walk(entry) if entry.is_dir() else [entry]
                found += [_file(path, root, entry.name.removesuffix(".py")) for path in files]
    return found


def documents(
    files: Sequence[SourceFile], limit_bytes: int, *, processes: int = 2
) -> Iterator[tuple[SourceFile, Document]]:
    """Documents with their files, until `limit_bytes` of UTF-8 are reached.

    The result does not depend on `processes`: a second one parses most files ahead.
    """
    total = 0
    given: Counter[str] = Counter()
    helped = _share(files) if processes > 1 else [False] * len(files)
    mine = [file for file, is_helped in zip(files, helped, strict=True) if is_helped]
    with Helper([(file.path, module_name(file.name)) for file in mine]) as helper:
        for file, is_helped in zip(files, helped, strict=True):
            found = helper.next() if is_helped else None
            bounded = file.group not in ("Python reference", "Python library", "torch", "numpy")
            if bounded and given[file.group] >= PACKAGE_BYTES:
                continue
            for document in read(file) if found is None else _documents(found, file):
                size = len(document.text.encode())
                if total + size > limit_bytes:
                    return
                total += size
                given[file.group] += size
                yield file, document


def read(file: SourceFile) -> Iterator[Document]:
    """The documented things in one Python file; a file that cannot be parsed is noted.

    Raises:
        DataError: the file vanished or cannot be read.
    """
    try:
        source = file.path.read_bytes()
    except OSError as error:
        raise unreadable(file.path, error) from None
    if file.name == "pydoc_data/topics.py":
        return _topics(source, file)
    return _documents(_docstrings.found(source, module_name(file.name)), file)


def module_name(path: str) -> str:
    """The dotted name of a file's module.

    >>> module_name("torch/nn/__init__.py"), module_name("torch/_tensor.py")
    ('torch.nn', 'torch._tensor')
    """
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _documents(found: list[_docstrings.Entry] | str, file: SourceFile) -> Iterator[Document]:
    """What was found in a file as documents; a string says why it could not be parsed."""
    _note_read(file)
    if isinstance(found, str):
        file.notes["not_parsed"] = found
        return
    for entry in found:
        meta = {
            "file": file.name,
            "name": entry.name,
            "kind": entry.kind,
            "summary": _sound(_docstrings.summary(entry.doc)),
        }
        yield Document(_sound(entry.text), entry.name, meta)


def _note_read(file: SourceFile) -> None:
    file.notes.update(encoding="UTF-8", read_bytes=file.bytes)


def _share(files: Sequence[SourceFile]) -> list[bool]:
    """Which files the second process parses: two of three bytes, the first has more to do."""
    shares, ahead = [], 0
    for file in files:
        helped = ahead < 0 and file.name != "pydoc_data/topics.py"
        ahead += file.bytes if helped else -2 * file.bytes
        shares.append(helped)
    return shares


def _topics(source: bytes, file: SourceFile) -> Iterator[Document]:
    """The language reference: a dict literal, `topics = {name: text}`."""
    _note_read(file)
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict):
            for name, text in ast.literal_eval(node.value).items():
                head = text.strip().split("\n")[0]
                meta = {"file": file.name, "name": name, "kind": "topic", "summary": head}
                yield Document(text.strip(), f"topic {name}", meta)


def _sound(text: str) -> str:
    """The text with the lone surrogates of someone's escapes replaced."""
    return text if text.isascii() else text.encode(errors="replace").decode()


def _package_roots() -> list[Path]:
    """The folders that hold installed packages, each once."""
    candidates = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    candidates += [p for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]
    roots = dict.fromkeys(Path(path).resolve() for path in candidates)
    return [root for root in roots if root.is_dir()]


def _rank(name: str) -> int:
    return {"torch": 0, "numpy": 1}.get(name, 2)


def _is_package(entry: Path) -> bool:
    if entry.name.startswith(("_", ".")) or _is_skipped(entry.name):
        return False
    return entry.suffix == ".py" or (entry / "__init__.py").is_file()


def _is_skipped(name: str) -> bool:
    return f" {name.lower()} " in SKIP_FOLDERS


def _walk(folder: Path) -> Iterator[Path]:
    """Python files under a folder in the order of their names, files before folders."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if entry.name.endswith(".py") and not re.search(r"^test_|_test\.py$|^conftest", entry.name):
            yield Path(entry.path)
    for entry in entries:
        private = entry.name.startswith(("_", ".")) and entry.name != "_core"
        if entry.is_dir(follow_symlinks=False) and not private and not _is_skipped(entry.name):
            yield from _walk(Path(entry.path))


def _file(path: Path, root: Path, group: str) -> SourceFile:
    status = path.stat()
    name = path.relative_to(root).as_posix()
    return SourceFile(path, name, "python_docs", status.st_size, status.st_mtime_ns, group=group)
