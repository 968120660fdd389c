"""Laws of the house that a reader could break without noticing."""

from __future__ import annotations

import ast
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import danlu

ROOT = Path(danlu.__file__).parent
TESTS = Path(__file__).parent
SOURCES = sorted(ROOT.glob("**/*.py"))


def calls(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of every call and attribute in a file."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Attribute | ast.Name):
            yield node.lineno, ast.unparse(node)


def places(*names: str) -> set[str]:
    """Files that use one of some dotted names."""
    return {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for _, used in calls(path)
        if used in names
    }


def imports(module: str) -> set[str]:
    """Files that import a module."""
    found = set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names = (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
            if any(name == module or name.startswith(f"{module}.") for name in names):
                found.add(path.relative_to(ROOT).as_posix())
    return found


def test_no_two_test_files_have_the_same_name() -> None:
    """They would be taken for one module, and the second would not run."""
    names = Counter(path.name for path in TESTS.rglob("*.py") if path.name != "conftest.py")
    assert [name for name, count in names.items() if count > 1] == []


def test_no_pickle() -> None:
    assert not imports("pickle") and not imports("shelve") and not imports("marshal")
    assert not places("torch.load", "torch.save", "numpy.load", "trust_remote_code")
    assert places("np.load") == {"data/keys.py"}
    (keys,) = (path for path in SOURCES if path.name == "keys.py")
    loads = [line for line in keys.read_text("utf-8").splitlines() if "np.load" in line]
    assert all("allow_pickle=False" in line for line in loads)


def test_no_shell() -> None:
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            assert not (isinstance(node, ast.keyword) and node.arg == "shell"), path
    assert not places("os.system", "os.popen")


def test_one_backward() -> None:
    uses = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr == "backward"
    ]
    assert uses == ["train/steps.py"]


def test_ranks_are_the_runtime_s_business() -> None:
    assert places("torch.distributed") <= {"runtime.py"}
    assert not imports("torch.distributed") - {"runtime.py"}


def test_only_files_writes() -> None:
    wrote = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("write_text", "write_bytes")
    }
    assert not wrote
    assert places("os.replace", "os.rename", "os.fsync", "shutil.rmtree") <= {"files.py"}


def test_the_public_names_are_there_and_torch_is_not_loaded_for_their_list() -> None:
    import subprocess

    for name in danlu.__all__:
        assert getattr(danlu, name) is not None, name
    assert set(dir(danlu)) == set(danlu.__all__)
    code = "import danlu, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_misspelt_public_name() -> None:
    try:
        danlu.perplexity  # noqa: B018
    except AttributeError as error:
        assert "perplexity" in str(error)
    else:
        raise AssertionError


@pytest.mark.parametrize("name", ["README", "docs/corpus", "docs/architectures"])
def test_the_english_and_the_chinese_text_have_the_same_commands(name: str) -> None:
    import re

    here = Path(__file__).parents[1]
    blocks = [
        [
            re.sub(r"\s*#.*", "", block)
            for block in re.findall(r"^```\w+\n.*?^```", text, re.MULTILINE | re.DOTALL)
        ]
        for text in ((here / f"{name}{end}").read_text("utf-8") for end in (".md", ".zh.md"))
    ]
    assert blocks[0] == blocks[1]
