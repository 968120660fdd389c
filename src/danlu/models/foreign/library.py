"""The package `transformers`, which takes seconds to import."""

from __future__ import annotations

import importlib
import importlib.util
import re
from typing import Any

from danlu.errors import missing_extra

OLDEST = (5, 3)
"""From here on a config.json cannot make it run code (CVE-2026-4372)."""

FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    ImportError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What its models raise when they do not like a config, an argument or a machine."""


def load(model_type: str) -> Any:
    """The package, told to leave the terminal alone.

    Args:
        model_type: the family that it is wanted for, for the message.

    Raises:
        MissingExtra: it is not installed, or too old.
    """
    purpose = f"a {model_type} model, a family that Danlu has no table of,"
    if importlib.util.find_spec("transformers") is None:
        raise missing_extra("transformers", "hf", purpose)
    library: Any = importlib.import_module("transformers")
    if version(library.__version__) < OLDEST:
        error = missing_extra(f"transformers {OLDEST[0]}.{OLDEST[1]} or later", "hf", purpose)
        error.got = library.__version__
        raise error
    library.utils.logging.set_verbosity_error()
    library.utils.logging.disable_progress_bar()
    return library


def version(text: str) -> tuple[int, int]:
    """The first two numbers of a version.

    >>> version("5.24.0.dev0"), version("6.0")
    ((5, 24), (6, 0))
    """
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)
