"""``reconcile audit head`` and ``verify``: whether the journals can be trusted."""

import re

import click

from reconcile.audit import run_log
from reconcile.audit.verifying import heads, verify
from reconcile.cli.audit_common import FORMATS, account_option, any_store, journals
from reconcile.cli.common import command, pass_session
from reconcile.cli.session import Invocation
from reconcile.errors import UsageError
from reconcile.render.audit.chain import chain_document, chain_markdown, chain_text, head_text
from reconcile.render.common.json import dumps

_HASH = re.compile(r"[0-9a-f]{64}")


@command("head", formats=FORMATS)
@account_option
@pass_session
def head(session: Invocation, account: str | None) -> int:
    """Show the hash that pins each journal, as ACCOUNT=HASH; keep it where this machine cannot change it.

    \b
    Exit codes: 0 shown, 1 a chain is broken, or there is none.
    Example:    reconcile audit head > heads.txt
    """
    session.check_files()
    found = heads(journals(session))
    if account is not None:
        known = {name for verdict in found for name in (verdict.account, verdict.identity)}
        found = [verdict for verdict in found if account in {verdict.account, verdict.identity}]
        if not found:
            raise run_log.no_such_account(account, near=known)
    for verdict in found:
        if not verdict.is_good:
            session.warn(verdict.message)
    code = session.emit(
        {
            "text": lambda: head_text(found),
            "json": lambda: dumps(chain_document(found)),
            "markdown": lambda: chain_markdown(found),
        },
        fits=False,
    )
    return max(code, int(not all(verdict.is_good for verdict in found)))


@command("verify", formats=FORMATS)
@click.option(
    "--head",
    "pinned",
    metavar="ACCOUNT=HASH",
    multiple=True,
    envvar="RECONCILE_AUDIT_VERIFY_HEAD",
    help="A head seen earlier must be there. Repeatable.",
)
@pass_session
def verify_(session: Invocation, pinned: tuple[str, ...]) -> int:
    """Prove that no journal was changed; names the first bad line.

    Every record carries the hash of the one before it, so a record that was changed, dropped, inserted or moved is
    found. That the end was not cut off only a head can prove that was kept elsewhere.

    \b
    Exit codes: 0 every chain is good, 1 one is not, or there is none.
    Example:    reconcile audit verify --head main=9f86d081...
    """
    session.check_files()
    pins = _pins(pinned)
    found = verify(any_store(session) if pins else journals(session), pins)
    code = session.emit(
        {
            "text": lambda: chain_text(found),
            "json": lambda: dumps(chain_document(found)),
            "markdown": lambda: chain_markdown(found),
        }
    )
    return max(code, int(not all(verdict.is_good for verdict in found)))


def _pins(given: tuple[str, ...]) -> dict[str, str]:
    pins: dict[str, str] = {}
    for text in given:
        account, _, pinned = text.rpartition("=")
        if not account or not _HASH.fullmatch(pinned):
            raise UsageError(f"--head {text}: write ACCOUNT=HASH, with the 64 digits that 'audit head' shows")
        if pins.get(account, pinned) != pinned:
            raise UsageError(f"--head {account}: given twice with different hashes; name one")
        pins[account] = pinned
    return pins
