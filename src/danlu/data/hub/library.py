"""The packages `datasets` and `huggingface_hub`, which take seconds to import."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from danlu.errors import missing_extra


@dataclass(frozen=True, slots=True)
class Library:
    """The two packages, which are slow to import."""

    datasets: Any
    hub: Any


def load() -> Library:
    """The packages, imported and told to leave the terminal alone.

    Raises:
        MissingExtra: they are not installed.
    """
    try:
        datasets: Any = importlib.import_module("datasets")
        hub: Any = importlib.import_module("huggingface_hub")
    except ImportError:
        purpose = "reading data sets from the Hugging Face hub"
        raise missing_extra("datasets", "hub", purpose) from None
    datasets.utils.logging.set_verbosity(datasets.utils.logging.CRITICAL)
    hub.utils.logging.set_verbosity_error()
    hub.utils.disable_progress_bars()
    return Library(datasets, hub)
