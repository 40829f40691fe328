"""Find state files and read them in one go: the problems of every file, and of files together."""

import hashlib
import os
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from reconcile.errors import InputError, Problem, StateFileErrors
from reconcile.files import regular
from reconcile.model.account import DesiredAccount
from reconcile.money import whole
from reconcile.statefile import bounds, compiled, including, lines, resolve, scalars
from reconcile.statefile.folders import FolderSearch
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.resolve import Claim

MAX_BYTES = 4 * 1024 * 1024
"""A state file is not longer than this: tens of thousands of positions."""
MAX_PROBLEMS = 200
"""The most problems of one file that are shown."""

_PLACE = re.compile(r"\s*\(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)\s*$")


def load(paths: Sequence[Path]) -> tuple[DesiredAccount, ...]:
    """Read every state file that ``paths`` name, folders with their subfolders, hidden ones excepted.

    Raises StateFileErrors with all problems of all files, and InputError when there is no state file at all.
    """
    problems: list[Problem] = []
    claims: list[Claim] = []
    files = _files(paths, problems)
    if not files and not problems:
        raise InputError("reading state files: no path was given; name a state file or a folder that holds some")
    found: list[tuple[Path, DesiredAccount | None, list[Problem]]] = []
    for file, named in files:
        own: list[Problem] = []
        found.append((file, _read(file, own, claims, named=named), own))
    accounts = [account for _, account, _ in found if account is not None]
    shared = {os.path.realpath(each.path) for account in accounts for each in account.includes}
    for file, account, own in found:
        if account is not None or not shared or os.path.realpath(file) not in shared:  # else it is only included
            problems += own
    problems += _together(claims)
    if problems:
        raise StateFileErrors(tuple(dict.fromkeys(problems)))  # several files may include one with a problem
    return tuple(accounts)


def beside(path: Path) -> tuple[DesiredAccount, ...]:
    """The accounts of the state files in a path's folder, other than the path itself; files with a problem left out."""
    found: list[DesiredAccount] = []
    for file in sorted(path.parent.glob("*.toml")):
        if not file.name.startswith(".") and file.name != path.name:
            account = _read(file, [], [])
            if account is not None:
                found.append(account)
    return tuple(found)


def _files(paths: Sequence[Path], problems: list[Problem]) -> list[tuple[Path, Path]]:
    """The files that the paths name, each once, in a stable order; none where there are more than may be read.

    Beside each stands the folder that was named for it, or its own.
    """
    found: dict[str, tuple[Path, Path]] = {}
    search = FolderSearch(problems)
    for path in paths:
        if os.path.isdir(path):  # noqa: PTH112 - Path.is_dir raises for a name that is too long or may not be read
            before = len(problems)
            inside, named = sorted(search.below(path)), path
            if not inside and len(problems) == before:
                problems.append(
                    _whole(path, "no state file found; expected *.toml in it or below (hidden ones excepted)")
                )
        else:
            inside, named = [path], path.parent
            search.count(path)
        for file in inside:
            found.setdefault(os.path.realpath(file), (file, named))
    return [] if search.is_over else list(found.values())


def _read(
    path: Path, problems: list[Problem], claims: list[Claim], *, named: Path | None = None
) -> DesiredAccount | None:
    """One file; None when it has a problem. ``named`` is the folder that was named for it, None for its own."""
    try:
        content = regular.read(path, most=MAX_BYTES)
    except OSError as error:
        problems.append(_whole(path, f"cannot be read ({error.strerror}); expected a readable state file or folder"))
        return None
    return _from(path, content, problems, claims, named=named)


def from_content(path: Path, content: bytes) -> DesiredAccount:
    """The account that a state file with this path and content declares; raises StateFileErrors."""
    problems: list[Problem] = []
    account = _from(path, content, problems, [])
    if account is None or problems:
        raise StateFileErrors(tuple(problems))
    return account


def _from(
    path: Path, content: bytes, problems: list[Problem], claims: list[Claim], *, named: Path | None = None
) -> DesiredAccount | None:
    if len(content) > MAX_BYTES:
        problems.append(_whole(path, f"longer than {MAX_BYTES} bytes; expected a state file"))
        return None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        problems.append(Problem(file=str(path), line=line, key="", message="not UTF-8; expected UTF-8 text"))
        return None
    beyond = bounds.problem(text)
    if beyond is not None:
        problems.append(Problem(file=str(path), line=beyond[0], key="", message=beyond[1]))
        return None
    sha256 = hashlib.sha256(content).hexdigest()
    folder = named or path.parent
    found = _resolved(path, text, compiled.loads(text, scalars.exact), sha256, folder)
    if found is None or found.problems:
        found = _resolved(path, text, _parse(path, text, problems), sha256, folder)
    if found is None:
        return None
    if found.claim is not None:
        claims.append(found.claim)
    problems += found.problems[:MAX_PROBLEMS]
    if len(found.problems) > MAX_PROBLEMS:
        more = len(found.problems) - MAX_PROBLEMS
        problems.append(_whole(path, f"{more} more problems are not shown; expected these to be corrected first"))
    return found.account


class _FileResult(NamedTuple):
    account: DesiredAccount | None
    claim: Claim | None
    problems: list[Problem]


def _resolved(path: Path, text: str, raw: dict[str, Any] | None, sha256: str, named: Path) -> _FileResult | None:
    """The content and the problems of a parsed file; None if it could not be parsed."""
    if raw is None:
        return None
    if bounds.is_deep(raw):
        return _FileResult(None, None, [_too_deep(path)])
    book = ProblemList(str(path), lines.outline(text), whole=lambda: lines.of(text))
    included = including.read(path, raw, named, book)
    account = resolve.account(raw, book, sha256=sha256, included=included)
    claim = resolve.claim(raw, book)
    own = sorted(book.found, key=lambda problem: problem.line or 0)
    return _FileResult(account, claim, [*own, *included.problems])


def _parse(path: Path, text: str, problems: list[Problem]) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text, parse_float=scalars.exact)
    except RecursionError:
        problems.append(_too_deep(path))
    except ValueError as error:  # TOMLDecodeError is one; so is what int() says to thousands of digits
        place = _PLACE.search(str(error))
        why = str(error)[: place.start()] if place else str(error).partition(";")[0]
        line = whole(place["line"]) if place and place["line"] else len(text.splitlines())
        column = f" at column {place['column']}" if place and place["column"] else ""
        message = f"not valid TOML{column} ({why[:1].lower()}{why[1:]}); expected TOML 1.0"
        problems.append(Problem(file=str(path), line=line if place else None, key="", message=message))
    return None


def _together(claims: Sequence[Claim]) -> Iterator[Problem]:
    """The facts that two files must not share: a name, or the exchange account itself."""
    names: dict[str, Claim] = {}
    places: dict[tuple[str | None, ...], Claim] = {}
    pins: dict[tuple[str | None, ...], Claim] = {}
    for claim in claims:
        if claim.name is not None and (first := names.setdefault(claim.name, claim)) is not claim:
            where = f"{first.file}:{first.name_line}"
            message = f'"{claim.name}" is already the name in {where}; expected a name of its own'
            yield Problem(file=claim.file, line=claim.name_line, key="account.name", message=message)
        if claim.place is not None and (first := places.setdefault(claim.place, claim)) is not claim:
            message = (
                f"the same exchange account as in {first.file}:{first.account_line} (exchange, endpoint, product and "
                "credentials agree); expected one file for each account"
            )
            yield Problem(file=claim.file, line=claim.account_line, key="account", message=message)
        elif claim.pinned is not None and (first := pins.setdefault(claim.pinned, claim)) is not claim:
            message = (
                f"the same exchange account as in {first.file}:{first.account_line} (exchange, product and uid agree); "
                "expected one file for each account"
            )
            yield Problem(file=claim.file, line=claim.account_line, key="account.uid", message=message)


def _whole(path: Path, message: str) -> Problem:
    return Problem(file=str(path), line=None, key="", message=message)


def _too_deep(path: Path) -> Problem:
    return _whole(path, "nested too deeply; expected the tables of a state file")
