"""``reconcile import``: write the state file of a live account. Sends nothing: its wire cannot."""

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import click
from click.core import ParameterSource

from reconcile import statefile
from reconcile.cli.common import command, pass_session
from reconcile.cli.runner import conduct
from reconcile.cli.session import Invocation
from reconcile.cli.state_files import TITLES
from reconcile.connect import endpoints
from reconcile.errors import InputError, UsageError
from reconcile.exchanges.catalogue import TRAITS
from reconcile.files import regular
from reconcile.files.documents import create, write
from reconcile.model.account import DesiredAccount, MarginType, Policy, PositionMode
from reconcile.model.measures import Measure
from reconcile.planning.templates import template_of
from reconcile.render.common.values import rfc3339
from reconcile.statefile import appending, writing
from reconcile.statefile.fields import NAME_PATTERN, PREFIX_PATTERN, REGIONS
from reconcile.statefile.files import MAX_BYTES
from reconcile.usecases import import_ as usecase


@command("import", formats=("text",))
@click.option("--exchange", type=click.Choice(list(TRAITS)), help="The exchange of the account.")
@click.option(
    "--endpoint", metavar="ENDPOINT", default="live", show_default=True, help="live, testnet, sandbox or a URL."
)
@click.option("--region", type=click.Choice(REGIONS), help="OKX only: the site where the account was opened.")
@click.option("--product", metavar="PRODUCT", help="Bitget only: USDT-FUTURES (default), COIN-FUTURES, USDC-FUTURES.")
@click.option("--credentials", metavar="PREFIX", help="Prefix of the secrets' names; default: the name in upper case.")
@click.option("--name", default="main", show_default=True, help="What the account is called from now on.")
@click.option("--out", metavar="FILE", help="Where to write; never over a file that is there. Default: stdout.")
@click.option("--into", metavar="FILE", help="Add positions that this state file does not declare; keeps the rest.")
@click.option("--crossed", is_flag=True, help="Declare crossed positions as well.")
@click.option(
    "--as",
    "measure",
    allow_from_autoenv=False,
    type=click.Choice([each.value for each in Measure]),
    help="Declare bands of a risk measure around what is there, instead of amounts.",
)
@pass_session
def import_(
    session: Invocation,
    *,
    exchange: str | None,
    endpoint: str,
    region: str | None,
    product: str | None,
    credentials: str | None,
    name: str,
    out: str | None,
    into: str | None,
    crossed: bool,
    measure: str | None,
) -> int:
    """Write a state file from the live account; planning it shows no changes.

    Declares every open isolated position with the margin it has, ordered by symbol, and pins the account (uid) where
    the exchange tells it. With --as, each gets a band instead: floor at 2/3,
    target at, ceiling at 4/3 of its present value, at_most twice its margin.
    Sends nothing. With --into, the account is that of FILE, and open positions
    that it does not declare are written below what stands there.

    \b
    Exit codes: 0 written, 1 error (the account could not be read, or FILE is
                there already), 4 another state file in FILE's folder is for
                the same account.
    Example:    reconcile import --exchange okx --name desk-7 --out desk-7.toml
    """
    kind = None if measure is None else Measure(measure)
    if into is not None:
        return _add(session, into, crossed=crossed, measure=kind)
    if exchange is None:
        raise UsageError("--exchange: missing; name the exchange, or a state file of the account with --into")
    account = replace(_account(exchange, endpoint, product, credentials, name), path=out or "", region=region)
    problem = None if region is None else endpoints.region_problem(exchange, account.endpoint, region)
    if problem is not None:
        raise UsageError(f"--region {region}: {problem}")
    session.check_files(out)
    if out is not None and os.path.lexists(out):
        raise InputError(f"writing {out}: it is there already; name another file, or move it away first")
    others = () if out is None else statefile.beside(Path(out))
    found = conduct(
        session,
        lambda world: usecase.import_account(world, account, crossed=crossed, measure=kind, beside=others),
        sends=False,
        doing=f"reading account {name}",
    )
    text = writing.state_file(
        found.desired,
        tolerance=usecase.TOLERANCE,
        title=f"the {TITLES[exchange]} account {name} ({account.endpoint})",
        observed_wall_ms=found.observed_wall_ms,
        notes=found.notes,
    )
    if out is None:
        return session.emit({"text": lambda: text}, fits=False)
    create(out, text)
    count = len(found.desired.targets)
    for note in found.notes:
        session.warn(note)
    return session.emit({"text": lambda: f"{out}: {count} position{'' if count == 1 else 's'} declared\n"})


_OF_ACCOUNT = ("exchange", "endpoint", "region", "product", "credentials", "name", "out")


def _add(session: Invocation, into: str, *, crossed: bool, measure: Measure | None) -> int:
    """``--into``: the positions that a state file lacks. Raises UsageError, InputError and what the import raises."""
    context = click.get_current_context()
    typed = [each for each in _OF_ACCOUNT if context.get_parameter_source(each) is ParameterSource.COMMANDLINE]
    if typed:
        raise UsageError(f"--into: the account is the state file's own; leave out --{', --'.join(typed)}")
    session.check_files(into)
    path = Path(into)
    (declared,) = statefile.load([path])
    text = _text(path, declared)
    found = conduct(
        session,
        lambda world: usecase.import_account(
            world, replace(declared, targets=()), crossed=crossed, measure=measure, beside=statefile.beside(path)
        ),
        sends=False,
        doing=f"reading account {declared.name}",
    )
    if found.desired.position_mode is not declared.position_mode:
        raise InputError(
            f"adding to {into}: the account is in {found.desired.position_mode} mode; correct position_mode"
        )
    known = {target.address for target in declared.targets}
    new = [
        target
        for target in found.desired.targets
        if target.address not in known
        and (target.margin_type is MarginType.CROSSED or template_of(declared.templates, target.address) is None)
    ]
    for note in found.notes:
        session.warn(note)
    if new:
        note = f"Added by 'reconcile import --into' at {rfc3339(found.observed_wall_ms)}."
        whole = appending.appended(path, text, new, note=note)
        _text(path, declared)
        write(into, whole)
    count = len(new)
    return session.emit({"text": lambda: f"{into}: {count} position{'' if count == 1 else 's'} added\n"})


def _text(path: Path, declared: DesiredAccount) -> str:
    """The state file as it was read; raises InputError where it was changed meanwhile, or is no file of one account."""
    try:
        content = regular.read(path, most=MAX_BYTES)
    except OSError as error:
        raise InputError(f"adding to {path}: {error.strerror or error}; name one state file") from error
    if hashlib.sha256(content).hexdigest() != declared.sha256:
        raise InputError(f"adding to {path}: it was changed meanwhile; nothing was written, import again")
    return content.decode("utf-8")


def _account(exchange: str, endpoint: str, product: str | None, credentials: str | None, name: str) -> DesiredAccount:
    """The account that the options name, without targets; its mode is not known yet. Raises UsageError."""
    products = TRAITS[exchange].products
    if not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(f"--name {name}: not an account's name; expected a-z first, then a-z, 0-9 or -")
    if product is not None and product not in products:
        raise UsageError(f"--product {product}: {exchange} has {', '.join(products) or 'no products'}")
    prefix = name.upper().replace("-", "_") if credentials is None else credentials
    if not re.fullmatch(PREFIX_PATTERN, prefix):
        raise UsageError("--credentials: not the prefix of a variable's name such as MAIN (for MAIN_API_KEY)")
    try:
        place = endpoints.normal(endpoint)
    except ValueError as error:
        raise UsageError(f"--endpoint: it {error}") from error
    return DesiredAccount(
        name=name,
        exchange=exchange,
        position_mode=PositionMode.HEDGE,
        endpoint=place,
        product=product or (products[0] if products else None),
        credentials=prefix,
        targets=(),
        policy=Policy(),
        amount_step=None,
        grace_ms=None,
        path="",
        sha256="",
    )
