from __future__ import annotations

import gc
import io
import json
import sys
import sysconfig
from pathlib import Path
from typing import Any

import pytest
from data_examples import source

from danlu.data import inputs
from danlu.data.sources import _docstrings, _helper, python_docs
from danlu.errors import DataError

MODULE = '''"""A module.

It must never be imported."""
raise SystemExit("it was imported")

class Shape(Base):
    """A shape.

        Indented.
    Not.
    """
    def __init__(self, sides, /, size: int = 3, *args, scale=1.5, unit=None, call=f(1), **rest):
        """Make it."""
    @property
    def area(self):
        """Its area, i.e. how large it is. Not more."""
    @classmethod
    async def parse(cls, text="a very long default value, longer than it should be"):
        """From text."""
    def no_doc(self): pass
try:
    if True:
        def helper(*, only): "Help."
except Exception: pass
def outer():
    def inner():
        """Not found."""
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "site-packages"
    files = {
        "shapes/__init__.py": MODULE,
        "shapes/_private.py": '"""Private module."""\ndef f():\n    """Of a private module."""\n',
        "shapes/tests/test_it.py": '"""Left out."""',
        "shapes/_vendor/x.py": '"""Left out."""',
        "shapes/test_more.py": '"""Left out."""',
        "shapes/broken.py": '"""Broken."""\ndef (:',
        "shapes/nul.py": '"""NUL\x00."""',
        "alone.py": '"""One file."""',
        "torch/__init__.py": '"""Torch."""\nx = "\\ud800"\ndef f():\n    """Odd \\ud800."""\n',
        "_hidden/__init__.py": '"""Left out."""',
        "no_package/x.py": '"""Left out."""',
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    library = tmp_path / "lib"
    (library / "pydoc_data").mkdir(parents=True)
    topics = 'topics = {"assert": "The assert statement\\n***\\n", "if": "The if statement"}\n'
    (library / "pydoc_data" / "topics.py").write_text(f"# comment\n{topics}")
    (library / "posixpath.py").write_text('def join(a, *p):\n    """Join paths."""\n')
    paths = {"stdlib": library, "purelib": root, "platlib": root}
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(paths[name]))
    monkeypatch.setattr(sys, "path", [str(root)])
    return root


def test_names_signatures_and_docs() -> None:
    found = {e.name: e for e in _docstrings.entries(MODULE.encode(), "shapes._impl")}
    assert list(found) == [
        "shapes._impl",
        "shapes.Shape",
        "shapes.Shape.__init__",
        "shapes.Shape.area",
        "shapes.Shape.parse",
        "shapes.helper",
    ]
    signature = "(sides, /, size=3, *args, scale=1.5, unit=None, call=..., **rest)"
    assert (
        found["shapes.Shape"].text == f"shapes.Shape{signature}\n\nA shape.\n\n    Indented.\nNot."
    )
    assert found["shapes.Shape.area"].signature == ""
    assert found["shapes.Shape.parse"].signature == "(text=...)"
    assert found["shapes.helper"].signature == "(*, only)"
    assert [found[n].kind for n in ("shapes._impl", "shapes.Shape", "shapes.helper")] == [
        "module",
        "class",
        "function",
    ]
    assert gc.isenabled()


def test_docstrings_that_are_given_to_c_code() -> None:
    torch = r'''
args = parse_kwargs("""
    input (Tensor): the input.
    out (Tensor): the output,
        if any.
""")
more = merge_dicts(args, {"note": """A note."""})
add_docstr(torch.abs, r"""
abs(input, *,
    out=None) -> Tensor

Absolute value of {x}.
""" + r"""
Args of {{x}}:
    {input}

{note}{unknown}
""".format(**more))
add_docstr_all("item", "item() -> number\n\nThe number.")
x = _add_docstr(torch._C._fft.fft, "The transform.")
add_docstr(torch.nothing, missing)
add_docstr(torch.upper, "text".upper())
other(torch.abs, "no")
'''
    found = {e.name: e for e in _docstrings.entries(torch.encode(), "torch._torch_docs")}
    assert list(found) == ["torch.abs", "torch.Tensor.item", "torch.fft.fft"]
    assert found["torch.abs"].text == (
        "torch.abs(input, *, out=None) -> Tensor\n\n"
        "Absolute value of {x}.\n\nArgs of {x}:\n    input (Tensor): the input.\n\nA note."
    )
    numpy = '''
add_newdoc("numpy._core", "array", """
    array(object)
    --

    array(object)

    Create an array.
    """)
add_newdoc("numpy._core", "flatiter", ("base", """The array."""))
@set_module("numpy.linalg")
def norm(x): """The norm."""
@array_function_dispatch(d, module="numpy.fft")
def fft(a): """The transform."""
@array_function_dispatch(d)
def sum(a): """The sum."""
'''
    texts = [e.text for e in _docstrings.entries(numpy.encode(), "numpy._core.fromnumeric")]
    assert texts == [
        "numpy.linalg.norm(x)\n\nThe norm.",
        "numpy.fft.fft(a)\n\nThe transform.",
        "numpy.sum(a)\n\nThe sum.",
        "numpy.array(object)\n\nCreate an array.",
        "numpy.flatiter.base\n\nThe array.",
    ]


@pytest.mark.parametrize(
    ("doc", "summary"),
    [
        ("Return x. And y.", "Return x."),
        ("No full stop\nin two lines\n\nMore.", "No full stop in two lines"),
        ("Takes e.g. 3.14 and v1.2! More", "Takes e.g. 3.14 and v1.2!"),
        ("f(x) -> int\n\nReal one.", "Real one."),
        ("f(x)", "f(x)"),
        ("", ""),
    ],
)
def test_summaries(doc: str, summary: str) -> None:
    assert _docstrings.summary(doc) == summary


def test_the_order_and_what_is_left_out(package: Path) -> None:
    files = python_docs.find()
    assert [file.name for file in files] == [
        "pydoc_data/topics.py",
        "posixpath.py",
        "torch/__init__.py",
        "alone.py",
        "shapes/__init__.py",
        "shapes/_private.py",
        "shapes/broken.py",
        "shapes/nul.py",
    ]
    assert [file.source for file in files[:4]] == [
        "Python reference",
        "Python library",
        "torch",
        "alone",
    ]


def test_documents_are_the_same_with_one_process_and_two(package: Path) -> None:
    one = list(python_docs.documents(python_docs.find(), 10**6, processes=1))
    two = list(python_docs.documents(python_docs.find(), 10**6, processes=2))
    assert one == two
    texts = [document.text for _, document in one]
    assert texts[:5] == [
        "The assert statement\n***",
        "The if statement",
        "os.path.join(a, *p)\n\nJoin paths.",
        "torch\n\nTorch.",
        "torch.f()\n\nOdd ?.",
    ]
    assert "shapes.f()\n\nOf a private module." in texts
    files = [document.meta["file"] for _, document in one]
    assert files == sorted(files, key=files.index), "documents of one file are neighbours"
    assert one[0][1].meta == {
        "file": "pydoc_data/topics.py",
        "name": "assert",
        "kind": "topic",
        "summary": "The assert statement",
    }


def test_files_that_cannot_be_parsed_are_noted(package: Path) -> None:
    files = python_docs.find()
    list(python_docs.documents(files, 10**6))
    noted = {file.name: file.notes["not_parsed"] for file in files if "not_parsed" in file.notes}
    assert noted.keys() == {"shapes/broken.py", "shapes/nul.py"}


def test_limits(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = python_docs.find()
    whole = list(python_docs.documents(files, 10**6))
    some = list(python_docs.documents(files, 90))
    assert some == whole[: len(some)]
    assert 0 < sum(len(d.text) for _, d in some) <= 90
    monkeypatch.setattr(python_docs, "PACKAGE_BYTES", 1)
    bounded = list(python_docs.documents(files, 10**6))
    assert sum(file.source == "shapes" for file, _ in bounded) < 9
    assert sum(file.source == "torch" for file, _ in bounded) == 2


def test_a_helper_that_cannot_start_or_dies_changes_nothing(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = list(python_docs.documents(python_docs.find(), 10**6, processes=1))
    for code in ("raise SystemExit", "print('[]'); raise SystemExit", "print('nul', end='')"):
        monkeypatch.setattr(_helper, "CODE", code + " #{root}{module}")
        found = list(python_docs.documents(python_docs.find(), 10**6))
        assert [d for _, d in found if d.meta["file"] != "torch/__init__.py"]
        if "[]" not in code:
            assert found == expected
    for executable in ("/nonexistent/python", ""):
        monkeypatch.setattr(sys, "executable", executable)
        assert list(python_docs.documents(python_docs.find(), 10**6)) == expected


def test_what_the_helper_says(package: Path) -> None:
    tasks = [(str(package / name), "m") for name in ("alone.py", "shapes/broken.py", "gone.py")]
    out = io.StringIO()
    _helper.serve(io.StringIO(json.dumps(tasks)), out)
    assert [json.loads(line) for line in out.getvalue().splitlines()] == [
        [["m", "module", "", "One file."]],
        "SyntaxError",
        None,
    ]


def test_an_unreadable_file(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = source(package / "alone.py")

    def refuse(*_: Any, **__: Any) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(DataError, match="permission denied"):
        list(python_docs.read(file))


def test_a_folder_that_vanishes_is_no_error(package: Path) -> None:
    assert list(python_docs._walk(package / "gone")) == []


def test_this_python_has_its_documentation() -> None:
    library = Path(sysconfig.get_path("stdlib"))
    file = python_docs._file(library / "posixpath.py", library, "Python library")
    documents = {document.id: document for document in python_docs.read(file)}
    assert documents["os.path.join"].text.startswith("os.path.join(a, *p)\n\nJoin two or more")
    assert documents["os.path.join"].meta["kind"] == "function"
    assert isinstance(file, inputs.SourceFile)
    assert "posixpath" in documents
