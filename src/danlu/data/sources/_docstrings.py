"""The documentation inside one Python file, read from its syntax tree; nothing is imported or run.

Besides docstrings proper it finds those that C code gets as arguments: `add_docstr(torch.abs, "…")`
in torch and `add_newdoc("numpy", "ndarray", "…")` in numpy.
"""

from __future__ import annotations

import ast
import gc
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

PUBLIC = {
    "posixpath": "os.path",
    "_collections_abc": "collections.abc",
    "_pydecimal": "decimal",
    "_pydatetime": "datetime",
    "_pyio": "io",
}
"""Modules by the names that people import them under."""

PROPERTIES = ("property", "cached_property", "setter", "getter", "deleter")

SENTENCE_END = re.compile(r"(?<!\be\.g)(?<!\bi\.e)(?<!\bcf)(?<!\bvs)(?<!\betc)[.!?](?=\s|$)")

Definition = ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Entry:
    """One documented thing."""

    name: str
    """Qualified name, e.g. `os.path.join`."""
    kind: str
    """module, class or function."""
    signature: str
    """Its parameters in brackets, or empty."""
    doc: str
    """The docstring, cleaned of its indentation."""

    @property
    def text(self) -> str:
        """A heading, a blank line, the docstring."""
        return f"{self.name}{self.signature}\n\n{self.doc}"


def entries(source: bytes, module: str) -> list[Entry]:
    r"""All documented things of a module in file order.

    >>> [e.text for e in entries(b"def area(r, *, pi=3.14):\n    'Area of a disc.'", "disc")]
    ['disc.area(r, *, pi=3.14)\n\nArea of a disc.']

    Raises:
        SyntaxError, ValueError, RecursionError, MemoryError: it cannot be parsed.
    """
    collects = gc.isenabled()
    gc.disable()  # a tree has no cycles, and collecting while it is built takes a third of the time
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # other people's invalid escapes
            tree = ast.parse(source)
        return list(_module(tree, module))
    finally:
        if collects:
            gc.enable()


def found(source: bytes, module: str) -> list[Entry] | str:
    """As `entries`; the name of the error where the source cannot be parsed."""
    if b'"""' not in source and b"'''" not in source:
        return []  # parsing costs a hundred times more than this look
    try:
        return entries(source, module)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return type(error).__name__


def summary(doc: str) -> str:
    r"""The first sentence of a docstring, on one line; a signature before it is passed over.

    >>> summary("abs(input) -> Tensor\n\nComputes the absolute\nvalue, i.e. |x|. Like numpy.")
    'Computes the absolute value, i.e. |x|.'
    """
    paragraphs = [" ".join(part.split()) for part in re.split(r"\n\s*\n", doc) if part.strip()]
    while len(paragraphs) > 1 and re.match(r"[\w.]+\(.*\)(\s*->.*)?$", paragraphs[0]):
        del paragraphs[0]
    if not paragraphs:
        return ""
    end = SENTENCE_END.search(paragraphs[0])
    return paragraphs[0][: end.end()] if end else paragraphs[0]


def public(module: str) -> str:
    """The name that a module's contents are imported under: without the private parts.

    >>> public("torch._tensor"), public("posixpath"), public("_pyio")
    ('torch', 'os.path', 'io')
    """
    first, *rest = module.split(".")
    return ".".join([PUBLIC.get(first, first), *(p for p in rest if not p.startswith("_"))])


def _module(tree: ast.Module, module: str) -> Iterator[Entry]:
    if doc := _doc(tree):
        yield Entry(module, "module", "", doc)
    yield from _body(tree.body, public(module))
    yield from _added(tree)


def _body(body: list[ast.stmt], parent: str) -> Iterator[Entry]:
    """Definitions in a body, also those under `if` and `try`; not those inside functions."""
    for node in body:
        if isinstance(node, Definition):
            name = f"{_declared_module(node) or parent}.{node.name}"
            if doc := _doc(node):
                kind = "class" if isinstance(node, ast.ClassDef) else "function"
                yield Entry(name, kind, _signature(node), doc)
            if isinstance(node, ast.ClassDef):
                yield from _body(node.body, name)
        elif isinstance(node, ast.If):
            yield from _body(node.body + node.orelse, parent)
        elif isinstance(node, ast.Try):
            yield from _body(node.body, parent)


def _doc(node: Definition | ast.Module) -> str:
    """The docstring; `ast.get_docstring` without its checks, which cost more than the answer."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
        value = first.value.value
        return inspect.cleandoc(value).strip() if isinstance(value, str) else ""
    return ""


def _declared_module(node: Definition) -> str:
    """Where numpy's decorators say that a definition lives, e.g. `numpy.linalg`."""
    for decorator in node.decorator_list:
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name):
            values: list[Any] = [k.value for k in decorator.keywords if k.arg == "module"]
            if decorator.func.id == "set_module":
                values += decorator.args
            elif decorator.func.id == "array_function_dispatch" and not values:
                return "numpy"
            if values and isinstance(values[0], ast.Constant):
                return str(values[0].value)
    return ""


def _signature(node: Definition) -> str:
    """Parameters without annotations and without `self`; a class has those of its `__init__`."""
    if isinstance(node, ast.ClassDef):
        inits = [n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"]
        return _signature(inits[0]) if inits else ""
    if any(getattr(d, "id", getattr(d, "attr", "")) in PROPERTIES for d in node.decorator_list):
        return ""
    args = node.args
    plain = args.posonlyargs + args.args
    defaults = [*[None] * (len(plain) - len(args.defaults)), *args.defaults]
    parts = [_parameter(a, d) for a, d in zip(plain, defaults, strict=True)]
    if args.posonlyargs:
        parts.insert(len(args.posonlyargs), "/")
    if args.vararg:
        parts.append(f"*{args.vararg.arg}")
    elif args.kwonlyargs:
        parts.append("*")
    parts += [_parameter(a, d) for a, d in zip(args.kwonlyargs, args.kw_defaults, strict=True)]
    if args.kwarg:
        parts.append(f"**{args.kwarg.arg}")
    if parts and parts[0] in ("self", "cls"):
        del parts[0]
    return f"({', '.join(parts)})"


def _parameter(arg: ast.arg, default: ast.expr | None) -> str:
    return arg.arg if default is None else f"{arg.arg}={_value(default)}"


def _value(node: ast.expr) -> str:
    """A default as it is written, if that is short."""
    if isinstance(
        node, ast.Constant | ast.Name | ast.Attribute | ast.UnaryOp | ast.Tuple | ast.List
    ):
        text = repr(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)
        return text if len(text) <= 24 else "..."
    return "..."


def _added(tree: ast.Module) -> Iterator[Entry]:
    """What `add_docstr`, `add_docstr_all` (torch) and `add_newdoc` (numpy) are called with."""
    texts: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if isinstance(targets[0], ast.Name) and (fields := _fields(node.value, texts)):
                texts[targets[0].id] = fields
        calls = node.value if isinstance(node, ast.Expr | ast.Assign) else None
        if isinstance(calls, ast.Call) and isinstance(calls.func, ast.Name):
            yield from _call(calls.func.id, calls.args, texts)


def _call(function: str, args: list[ast.expr], texts: dict[str, dict[str, str]]) -> Iterator[Entry]:
    owner, name, node = "", "", None
    if function in ("add_docstr", "_add_docstr") and len(args) == 2:
        owner, _, name = ast.unparse(args[0]).rpartition(".")
        node = args[1]
    elif function == "add_docstr_all" and len(args) == 2:
        owner, name, node = "torch.Tensor", _text(args[0], texts), args[1]
    elif function == "add_newdoc" and len(args) == 3:
        owner, name, node = "numpy", _text(args[1], texts), args[2]
        if isinstance(node, ast.Tuple) and len(node.elts) == 2:
            owner, name, node = f"numpy.{name}", _text(node.elts[0], texts), node.elts[1]
    doc = inspect.cleandoc(_text(node, texts)).strip() if node is not None else ""
    if doc and name:
        owner = owner.replace("torch._C._", "torch.").replace("torch._C", "torch")
        signature, doc = _split_signature(name, doc)
        yield Entry(f"{owner}.{name}", "function", signature, doc)


def _split_signature(name: str, doc: str) -> tuple[str, str]:
    r"""The signature that such a docstring starts with, as it is written there, and the rest.

    >>> _split_signature("abs", "abs(input) -> Tensor\n\nAbsolute value.")
    ('(input) -> Tensor', 'Absolute value.')
    """
    doc = re.sub(rf"\A{re.escape(name)}\([^)]*\)\n--\n+", "", doc)  # numpy's, for machines
    first, _, rest = doc.partition("\n\n")
    signature = " ".join(first.split())
    if rest.strip() and signature.startswith(f"{name}(") and len(signature) < 300:
        return signature[len(name) :], rest.strip()
    return "", doc


def _text(node: ast.expr, texts: dict[str, dict[str, str]]) -> str:
    """A string expression: a literal, a sum, or `"…".format(**fields)`; else empty."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else ""
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _text(node.left, texts) + _text(node.right, texts)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr != "format":
            return ""
        fields: dict[str, str] = {}
        for keyword in node.keywords:
            value = keyword.value
            fields |= {keyword.arg: _text(value, texts)} if keyword.arg else _fields(value, texts)
        template = _text(node.func.value, texts)
        return re.sub(
            r"\{\{|\}\}|\{(\w+)\}",
            lambda match: fields.get(match[1], "") if match[1] else match[0][0],
            template,
        )
    return ""


def _fields(node: ast.expr, texts: dict[str, dict[str, str]]) -> dict[str, str]:
    """What torch's `parse_kwargs`, `merge_dicts` and dict literals evaluate to; else empty."""
    if isinstance(node, ast.Name):
        return texts.get(node.id, {})
    if isinstance(node, ast.Dict):
        pairs = zip(node.keys, node.values, strict=True)
        return {_text(k, texts): _text(v, texts) for k, v in pairs if k is not None}
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "parse_kwargs" and node.args:
            sections = re.split(r"\n\s{4}(?!\s)", _text(node.args[0], texts))
            return {part.split(" ")[0]: part for part in map(str.strip, sections) if part}
        if node.func.id == "merge_dicts":
            return {k: v for arg in node.args for k, v in _fields(arg, texts).items()}
    return {}
