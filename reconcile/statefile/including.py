"""Shared files: what ``include`` names, read and checked, and its tables under those of the account file.

A state file may come from a pull request. An include therefore reads nothing outside one root, nothing hidden, and only
a few small regular files. The root is the top of the git working tree around the state file. Without a working tree, it
is the folder that the invocation named, or the state file's own.
"""

import hashlib
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from reconcile.errors import Problem
from reconcile.files import regular
from reconcile.model.included import IncludedFile, SettingOrigin
from reconcile.planning.looser import looser
from reconcile.render.common import limits
from reconcile.statefile import bounds, lines, scalars
from reconcile.statefile.fields import MOST_INCLUDED
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.shared_tables import IncludedTable, LimitsTable, policy

MAX_BYTES = 64 * 1024
"""An included file is not longer than this."""
_TABLES = ("policy", "defaults")
_EXPECTED = "expected [policy] and [defaults]"


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedSettings:
    """The settings from the included files of one state file, and the problems in those files.

    ``tables`` are their tables together; ``origins`` has the file and line of each key in them, by dotted key.
    """

    files: tuple[IncludedFile, ...] = ()
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    origins: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def root_of(path: Path, named: Path) -> Path:
    """The folder that the includes of a state file must stay in; ``named`` is the folder the invocation named."""
    folder = Path(os.path.realpath(path.parent))
    found = (above for above in (folder, *folder.parents) if os.path.lexists(above / ".git"))
    return next(found, Path(os.path.realpath(named)))


def read(path: Path, raw: Mapping[str, Any], named: Path, book: ProblemList) -> IncludedSettings:
    """The files that the ``include`` of a parsed state file names; ``book`` gets what is wrong with the names."""
    names = raw.get("include")
    if not isinstance(names, list) or not 0 < len(names) <= MOST_INCLUDED:
        return IncludedSettings()
    root = root_of(path, named)
    seen: dict[str, int] = {}
    found: list[_SharedFile] = []
    for number, name in enumerate(names):
        if isinstance(name, str):
            real, problem = _place(path, name, root)
            if problem is None and seen.setdefault(real, number) != number:
                problem = f"names the same file as {names[seen[real]]}; expected each file once"
            shared = _read(path, name, real) if problem is None else problem
            if isinstance(shared, str):
                book.add(("include", str(number)), f"{scalars.shown(name)}: {shared}")
            else:
                found.append(shared)
    return _together(found, book)


def merged(raw: Mapping[str, Any], included: IncludedSettings, book: ProblemList) -> dict[str, Any]:
    """The parsed state file with what it inherits; ``book`` gets each limit that is looser than the included one."""
    whole = dict(raw)
    for table in _TABLES:
        own, shared = raw.get(table, {}), included.tables.get(table, {})
        if shared and isinstance(own, dict):
            whole[table] = {**shared, **own}
            if table == "policy":
                _check_tighter(own, shared, included, book)
    return whole


def settings(
    raw: Mapping[str, Any], whole: Mapping[str, Any], included: IncludedSettings, book: ProblemList
) -> list[SettingOrigin]:
    """Every limit and default in force of a file that includes others, with where it comes from."""
    found = []
    for table in _TABLES if included.files else ():
        for key, value in whole.get(table, {}).items():
            own = key in raw.get(table, {})
            file, line = (book.file, book.line((table, key))) if own else included.origins[f"{table}.{key}"]
            found.append(SettingOrigin(key=f"{table}.{key}", value=_written(value), file=file, line=line))
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _SharedFile:
    file: IncludedFile
    raw: Mapping[str, Any] = field(default_factory=dict)
    where: Mapping[lines.Key, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


def _place(path: Path, name: str, root: Path) -> tuple[str, str | None]:
    """The real path of an included file, and what is wrong with its name; nothing is opened."""
    parts = name.split("/")
    if not name.endswith(".toml") or name.startswith("/") or "\\" in name or "\0" in name:
        return "", "not a path to include; expected one relative to this file that ends with .toml, with / between"
    if any(part.startswith(".") and part not in {".", ".."} for part in parts):
        return "", "hidden, or in a hidden folder; expected a file that is not"
    real = os.path.realpath(path.parent / name)
    if not Path(real).is_relative_to(root):
        return "", f"leads out of {root}; expected a file inside it (the repository, or the folder that was named)"
    if ".git" in Path(real).relative_to(root).parts:
        return "", "leads into .git; expected a file of the repository"
    if real == os.path.realpath(path):
        return "", "names this file itself; expected another one"
    return real, None


def _read(path: Path, name: str, real: str) -> _SharedFile | str:
    """One included file; a string says why it cannot be used at all."""
    try:
        content = regular.read(Path(real), most=MAX_BYTES)
    except OSError as error:
        return f"cannot be read ({error.strerror}); expected a readable regular file"
    plain = os.path.normpath(path.parent / name)
    shown = plain if os.path.realpath(plain) == real else str(path.parent / name)
    try:
        text, raw = _parsed(content)
        where = lines.of(text)
        _check_tables(raw, where)
    except ValueError as error:
        return str(error)
    book = ProblemList(shown, where)
    try:
        IncludedTable.model_validate(raw)
    except ValidationError as error:
        book.add_all(error)
    file = IncludedFile(path=shown, sha256=hashlib.sha256(content).hexdigest())
    return _SharedFile(
        file=file, raw=raw, where=where, problems=tuple(sorted(book.found, key=lambda each: each.line or 0))
    )


def _parsed(content: bytes) -> tuple[str, dict[str, Any]]:
    """The text and its tables. What stands in it is not repeated: it may be no file that a message should show."""
    if len(content) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES} bytes; {_EXPECTED}")
    try:
        text = content.decode("utf-8-sig")
        if bounds.problem(text) is None:
            raw = tomllib.loads(text, parse_float=scalars.exact)
            if not bounds.is_deep(raw):
                return text, raw
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not valid TOML; {_EXPECTED}") from error
    raise ValueError(f"its keys are too long or too deep; {_EXPECTED}")


def _check_tables(raw: Mapping[str, Any], where: Mapping[lines.Key, int]) -> None:
    """Nothing but the tables that may be shared; the names of others are not repeated either."""
    if "include" in raw:
        raise ValueError("includes other files itself; expected the account's file to name each of them")
    other = next((key for key in raw if key not in {"version", *_TABLES}), None)
    if other is not None:
        raise ValueError(f"holds something else in its line {where.get((other,), 1)}; {_EXPECTED} only")


def _together(found: Sequence[_SharedFile], book: ProblemList) -> IncludedSettings:
    """The tables of all included files; a key that two of them have is a problem."""
    tables: dict[str, dict[str, Any]] = {}
    origins: dict[str, tuple[str, int]] = {}
    problems = [problem for shared in found for problem in shared.problems]
    for number, shared in enumerate(found if not problems and not book.has(("include",)) else ()):
        for table in _TABLES:
            for key, value in shared.raw.get(table, {}).items():
                line = shared.where.get((table, key), 1)
                first = origins.setdefault(f"{table}.{key}", (shared.file.path, line))
                tables.setdefault(table, {}).setdefault(key, value)
                if first != (shared.file.path, line):
                    book.add(
                        ("include", str(number)),
                        f"{shared.file.path}:{line} says {table}.{key}, as {first[0]}:{first[1]} does; "
                        "expected each key in one of the included files",
                    )
    return IncludedSettings(
        files=tuple(shared.file for shared in found), tables=tables, origins=origins, problems=tuple(problems)
    )


def _check_tighter(
    own: Mapping[str, Any], shared: Mapping[str, Any], included: IncludedSettings, book: ProblemList
) -> None:
    """Each limit that both files name allows no more in the account's own file."""
    for key in [key for key in own if key in shared]:
        try:
            documents = [
                limits.policy(policy(LimitsTable.model_validate({key: table[key]}))) for table in (shared, own)
            ]
        except ValidationError:
            continue  # said with the key itself
        if looser(documents[0], documents[1], grace_ms=0):
            file, line = included.origins[f"policy.{key}"]
            book.add(
                ("policy", key),
                f"{_written(own[key])} allows more than {_written(shared[key])} in {file}:{line}, or cannot be "
                "compared with it; expected a limit that is at least as strict, or none here",
            )


def _written(value: object) -> str:
    """A value of a setting as a person writes it."""
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{scalars.shown(key)[1:-1]} = {scalars.shown(each)}" for key, each in value.items()) + "}"
        )
    return scalars.shown(value)
