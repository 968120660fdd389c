"""What can go wrong with a data set on the hub, in words that say what to do."""

from __future__ import annotations

import ast
import contextlib
import re
from collections.abc import Iterator

from danlu import discover
from danlu.data.hub.library import Library
from danlu.errors import DataError

LISTED = 500
"""Data sets of an owner among which a misspelt one is sought."""


class Unreachable(Exception):
    """The hub did not answer; `reason` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@contextlib.contextmanager
def explained(repo: str, library: Library) -> Iterator[None]:
    """Turn what the two libraries raise into a DataError about `repo`.

    `library` has them as `datasets` and `hub`: they are slow to import.

    Raises:
        Unreachable: there is no connection, or none is allowed.
        DataError: anything else.
    """
    import pyarrow as pa

    errors = library.hub.errors
    http: type[Exception] = errors.HTTPError  # httpx's, under whichever name it is installed
    try:
        yield
    except DataError:
        raise
    except (OSError, ValueError, RuntimeError, TypeError, pa.ArrowException, http) as error:
        if isinstance(error, errors.HFValidationError):
            raise DataError(f"{repo} is not a name on the hub", got=_reason(error)) from None
        chain = list(_chain(error))
        if any(isinstance(e, errors.GatedRepoError) for e in chain):
            raise _gated(repo, library) from None
        if any(isinstance(e, errors.RepositoryNotFoundError) for e in chain):
            raise _absent(repo, library) from None
        if any(_is_connection(e, library, http) for e in chain):
            raise Unreachable(_reason(chain[-1])) from None
        raise _broken(repo, library, error) from None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_connection(error: BaseException, library: Library, http: type[Exception]) -> bool:
    """Whether no answer came at all; a server's refusal has a response."""
    if isinstance(error, http):
        return getattr(error, "response", None) is None
    return isinstance(error, ConnectionError)


def _reason(error: BaseException) -> str:
    first = str(error).strip().split("\n")[0]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def _gated(repo: str, library: Library) -> DataError:
    return DataError(
        f"{repo} is gated: its owner lets in only those who ask",
        got="a token without access" if library.hub.get_token() else "no token",
        expected="a token of an account that has access",
        fix=f"accept its conditions on {library.hub.constants.ENDPOINT}/datasets/{repo}, then "
        "`hf auth login` or set HF_TOKEN",
    )


def _absent(repo: str, library: Library) -> DataError:
    near = _nearest(repo, library)
    hint = f"did you mean hf:{near}? " if near else ""
    return DataError(
        f"there is no data set {repo} on {library.hub.constants.ENDPOINT}, or it is private",
        expected="owner/name, as on the head of its page",
        fix=f"{hint}For a private one: `hf auth login`, or set HF_TOKEN",
    )


def _nearest(repo: str, library: Library) -> str | None:
    """The most similar name among the owner's data sets, else among those that are found by it."""
    owner, _, own = repo.rpartition("/")
    api, found = library.hub.HfApi(), []
    for query in ({"author": owner} if owner else {}, {"search": own}):
        with contextlib.suppress(OSError, library.hub.errors.HTTPError):
            found += [info.id for info in api.list_datasets(**query, limit=LISTED)]
        if near := discover.nearest(repo, found):
            return near
    return None


def _broken(repo: str, library: Library, error: Exception) -> DataError:
    """Anything else: no files of a kind that is read, a damaged file, an error of the server."""
    datasets = library.datasets
    no_files = (datasets.exceptions.DataFilesNotFoundError, datasets.data_files.EmptyDatasetError)
    if isinstance(error, no_files):
        return DataError(
            f"{repo} holds no files of rows",
            expected="parquet, JSON lines, CSV or text",
            fix=f"look at {library.hub.constants.ENDPOINT}/datasets/{repo}/tree/main",
        )
    status = getattr(getattr(error, "response", None), "status_code", 0)
    if status in (401, 403):
        fix = "`hf auth login` again, or unset HF_TOKEN: the hub does not take the token"
    elif status == 429 or status >= 500:
        fix = "try again later"
    else:
        fix = f"hf download {repo} --repo-type dataset --local-dir FOLDER, then give its files"
    return DataError(
        f"{repo} cannot be read" + (f": the hub answers {status}" if status else ""),
        got=_reason(error),
        expected="files of one format, whole, with the same columns",
        fix=fix,
    )


def not_cached(repo: str, why: str) -> DataError:
    """The error for a data set that is neither reachable nor in the caches."""
    return DataError(
        f"{repo} is not in the cache, and the hub was not reached",
        got=why,
        expected="a connection, or a data set that was downloaded before",
        fix=f"with a connection: hf download {repo} --repo-type dataset. A mirror is named by "
        "HF_ENDPOINT; HF_HUB_OFFLINE and HF_DATASETS_OFFLINE must not be set",
    )


def lost(repo: str, reason: str) -> DataError:
    """The error for a connection that broke while a data set was read."""
    return DataError(
        f"the connection was lost while {repo} was read",
        got=reason,
        fix=f"run the same command again, or first: hf download {repo} --repo-type dataset",
    )


def incomplete(repo: str, error: Exception) -> DataError:
    """The error for a download that did not come to its end."""
    return DataError(
        f"the cached copy of {repo} is incomplete",
        got=_reason(error),
        fix=f"with a connection: hf download {repo} --repo-type dataset",
    )


def listed_names(error: ValueError) -> list[str]:
    """The names in a message of `datasets` about a configuration that is missing or not there.

    >>> listed_names(ValueError("'c' not found. Available: ['a', 'b']"))
    ['a', 'b']
    """
    match = re.search(r"(?:Available|available configs): (\[.*?\])", str(error))
    with contextlib.suppress(ValueError, SyntaxError):
        return [str(name) for name in ast.literal_eval(match[1])] if match else []
    return []
