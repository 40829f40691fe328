"""Apply ``--override``: one key of ``[policy]`` for one run, read through the same models as the file."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from pydantic import ValidationError

from reconcile.errors import UsageError
from reconcile.model.account import DesiredAccount
from reconcile.statefile import bounds, scalars
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.shared_tables import LimitsTable, policy

_KEYS = tuple(LimitsTable.model_fields)
_SHAPE = "expected [ACCOUNT:]LIMIT=VALUE such as max_add=5000"


def override(account: DesiredAccount, text: str) -> DesiredAccount:
    """The account with one limit changed by ``LIMIT=VALUE``; raises UsageError for an unknown key or a bad value.

    VALUE is written as in the file; the quotes of a string may be left out.
    """
    key, value = _pair(text)
    doing = f"--override {key}"
    if key not in _KEYS:
        raise UsageError(f"{doing}: unknown key of [policy]; {scalars.hint(key, _KEYS)}")
    try:
        limits = LimitsTable.model_validate({key: _raw(value, doing)})
    except ValidationError as error:
        book = ProblemList("", {})
        book.add_all(error)
        raise UsageError("\n".join(f"--override {found.key}: {found.message}" for found in book.found)) from error
    changed = getattr(policy(limits), key)
    return replace(account, policy=replace(account.policy, **{key: changed}))


def split_overrides(texts: Sequence[str], names: Sequence[str]) -> dict[str, dict[str, str]]:
    """``[ACCOUNT:]LIMIT=VALUE`` texts by account, then by limit; accounts without one are left out.

    ``names`` are the accounts of the invocation. Raises UsageError for an unknown account, a key given twice for one
    account, and an account left out where there are several.
    """
    result: dict[str, dict[str, str]] = {}
    for text in texts:
        place, value = _pair(text)
        name, colon, key = place.rpartition(":")
        if not colon:
            name = _only(names, key)
        elif name not in names:
            raise UsageError(f'--override {key}: no account "{name}" here; {scalars.hint(name, tuple(names))}')
        if key not in _KEYS:
            raise UsageError(f"--override {key}: unknown key of [policy]; {scalars.hint(key, _KEYS)}")
        mine = result.setdefault(name, {})
        if key in mine:
            raise UsageError(f"--override {key}: given twice for account {name}; expected each key once")
        mine[key] = value
    return result


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    key, value = key.strip(), value.strip()
    if not equals or not key or not value:
        raise UsageError(f"--override {text}: not a limit with a value; {_SHAPE}")
    return key, value


def _only(names: Sequence[str], key: str) -> str:
    if len(names) != 1:
        raise UsageError(
            f"--override {key}: several accounts ({', '.join(names)}) and none named; expected ACCOUNT:{key}=VALUE"
        )
    return names[0]


def _raw(value: str, doing: str) -> object:
    """The value as a file would hold it: tables, quoted strings, true and false as TOML, all else as a string."""
    if not re.match(r"[{\"']|(true|false)$", value):
        return value
    text = f"value = {value}"
    beyond = bounds.problem(text)
    if beyond is not None:
        raise UsageError(f"{doing}: {beyond[1]}")
    try:
        read: Mapping[str, object] = tomllib.loads(text, parse_float=scalars.exact)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{doing}: {scalars.shown(value)} is not valid TOML; {_SHAPE}") from error
    if len(read) != 1:
        raise UsageError(f"{doing}: {scalars.shown(value)} is more than one value; {_SHAPE}")
    return read["value"]
