"""``reconcile validate``: read state files and say everything that is wrong with them. No network, no keys."""

from dataclasses import asdict
from pathlib import Path

from reconcile import statefile
from reconcile.cli.commit import place_of
from reconcile.cli.common import command, pass_session, paths
from reconcile.cli.session import Invocation
from reconcile.errors import Problem
from reconcile.model.account import DesiredAccount
from reconcile.render.common import limits
from reconcile.render.common.github import problems
from reconcile.render.common.json import dumps
from reconcile.render.common.markdown import quote
from reconcile.render.common.values import clean
from reconcile.statefile.warnings import several_keys

FORMAT = "reconcile.validate/1"


@command("validate", formats=("text", "json", "markdown", "github"))
@paths
@pass_session
def validate(session: Invocation, paths: tuple[str, ...]) -> int:
    """Check state files; needs no network and no keys.

    PATH is a state file or a folder, read with its subfolders (*.toml, hidden ones excepted). Every problem of every
    file is reported in one go, as file:line: key: what is wrong; what is expected.
    Of a file that includes others, every limit and default in force is listed with its file and line.
    Several keys for one exchange, in files that pin no account (uid), are a warning.

    \b
    Exit codes: 0 all good, 1 something is wrong.
    Example:    reconcile validate states/ --format github
    """
    session.check_files()
    accounts = statefile.load([Path(path) for path in paths])
    warnings = tuple(several_keys(accounts))
    for warning in warnings:
        session.warn(f"warning: {warning}")
    return session.emit(
        {
            "text": lambda: _text(accounts),
            "json": lambda: _json(accounts, warnings),
            "markdown": lambda: _markdown(accounts, warnings),
            "github": lambda: problems(warnings, level="warning", place=place_of),
        }
    )


def _text(accounts: tuple[DesiredAccount, ...]) -> str:
    count = sum(len(account.targets) + len(account.templates) for account in accounts)
    files = "file" if len(accounts) == 1 else "files"
    lines = [line for account in accounts for line in _in_force(account)]
    return "\n".join([*lines, f"{len(accounts)} state {files}, {count} declared: all valid"]) + "\n"


def _in_force(account: DesiredAccount) -> list[str]:
    """The limits and defaults of an account that includes files, each with where it stands."""
    if not account.settings:
        return []
    keys, values = (max(len(getattr(each, name)) for each in account.settings) for name in ("key", "value"))
    rows = [f"  {s.key:{keys}}  {s.value:{values}}  {s.file}:{s.line}" for s in account.settings]
    return [clean(line) for line in (f"{account.name}: limits and defaults in force", *rows)]


def _markdown(accounts: tuple[DesiredAccount, ...], warnings: tuple[Problem, ...]) -> str:
    told = "".join(f"\n- Warning: {quote(str(warning))}" for warning in warnings)
    told += "".join(
        f"\n- {quote(account.name)}: {quote(f'{s.key} = {s.value}')} ({quote(f'{s.file}:{s.line}')})"
        for account in accounts
        for s in account.settings
    )
    return f"### Margin state files\n\n{len(accounts)} checked, all valid.\n{told}" + ("\n" if told else "")


def _json(accounts: tuple[DesiredAccount, ...], warnings: tuple[Problem, ...]) -> str:
    listed = [
        {
            "account": account.name,
            "exchange": account.exchange,
            "endpoint": account.endpoint,
            "state_file": account.path,
            "state_sha256": account.sha256,
            **limits.includes(account),
            **({"settings": [asdict(each) for each in account.settings]} if account.settings else {}),
            "declared": len(account.targets) + len(account.templates),
            "exit_code": 0,
            "errors": [],
        }
        for account in accounts
    ]
    told = [{"key": each.key, "message": each.message, "file": each.file, "line": each.line} for each in warnings]
    return dumps({"format": FORMAT, "exit_code": 0, "accounts": listed, "errors": [], "warnings": told})
