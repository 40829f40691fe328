"""One parsed file into the model, with what its keys say together: modes and sides, types and amounts, products.

Checks look at every sound part of a broken file, so that all its problems come at once. A check says nothing where its
answer would only follow from a problem already named.
"""

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any, NamedTuple

from pydantic import ValidationError

from reconcile.connect import endpoints
from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    PositionMode,
    Side,
    Target,
)
from reconcile.model.traits import Scope, environment
from reconcile.planning.templates import is_template
from reconcile.statefile import bands, including, lag, lines, scalars, templates
from reconcile.statefile.including import IncludedSettings
from reconcile.statefile.plain import Plain, is_instrument, parted
from reconcile.statefile.problems import ProblemList
from reconcile.statefile.schema import StateFile
from reconcile.statefile.shared_tables import policy
from reconcile.statefile.targets import target_of, tolerance_of

_SIDES = {side.value: side for side in Side}
_TYPES = {kind.value: kind for kind in MarginType}
_LINE = attrgetter("line")


class Claim(NamedTuple):
    """A file's description of its account, for finding two files with the same one. None if it is not valid.

    ``pinned`` is the place with the exchange's own id of the account, where the file has one.
    """

    file: str
    name: str | None
    name_line: int
    place: tuple[str | None, ...] | None
    pinned: tuple[str | None, ...] | None
    account_line: int


def account(
    raw: dict[str, Any], book: ProblemList, *, sha256: str, included: IncludedSettings | None = None
) -> DesiredAccount | None:
    """The account that one file declares, with what it ``included``; None when ``book`` got a problem."""
    own, included = raw, included or IncludedSettings()
    whole = raw = templates.spread(including.merged(raw, included, book), book)
    plain, raw = parted(raw)
    try:
        checked = StateFile.model_validate(raw)
    except ValidationError as error:
        book.add_all(error)
        checked = None
    said = _RawFile(raw, book)
    _check_account(said, book)
    cold_start = lag.check_cold_start(
        said.text("account", "endpoint", missing="live"), said.text("account", "cold_start"), book
    )
    if checked is not None:
        lag.check_grace(checked.account, cold_start, book)
    _check_symbols(said, book)
    _check_positions(said, book)
    _check_types(said, book)
    _check_templates(said, book)
    if checked is None or book.found or included.problems:
        return None
    place = checked.account
    declared = _targets(plain, checked, book, tuple(whole.get("positions", ())))
    return DesiredAccount(
        name=place.name,
        exchange=place.exchange,
        position_mode=PositionMode(place.position_mode),
        endpoint=place.endpoint,
        product=place.product or _product(place.exchange),
        credentials=place.credentials or _prefix(place.name),
        targets=tuple(target for target in declared if not is_template(target.address.symbol)),
        templates=tuple(target for target in declared if is_template(target.address.symbol)),
        policy=policy(checked.policy),
        amount_step=place.amount_step,
        grace_ms=place.grace,
        cold_start=cold_start,
        uid=place.uid,
        region=place.region,
        path=book.file,
        sha256=sha256,
        includes=included.files,
        settings=tuple(including.settings(own, whole, included, book)),
        lines={lines.dotted(key): line for key, line in book.where.items() if key[0] != "positions"},
    )


def _targets(
    plain: Iterable[Plain], checked: StateFile, book: ProblemList, symbols: tuple[str, ...]
) -> tuple[Target, ...]:
    """The declared positions, in the order of the file."""
    shared = tolerance_of(checked.defaults.tolerance, shared=True)
    targets = [
        Target(
            address=address,
            margin_type=MarginType.ISOLATED,
            isolated_margin=amount,
            tolerance=shared,
            line=book.line(("positions", address.symbol, side)),
            band=band,
        )
        for address, side, amount, band in plain
    ]
    others = [
        target_of(Address(symbol, side), getattr(sides, name), checked.defaults, shared, book)
        for symbol, sides in checked.positions.items()
        for name, side in _SIDES.items()
        if name in sides.model_fields_set
    ]
    if targets and others:  # which may be on one line
        place = {symbol: number for number, symbol in enumerate(symbols)}
        targets = sorted([*targets, *others], key=lambda target: place[target.address.symbol])
    return tuple(sorted(targets or others, key=_LINE))


def claim(raw: dict[str, Any], book: ProblemList) -> Claim:
    """The account's name and place in a file, as far as they are valid."""
    said = _RawFile(raw, book)
    name = said.text("account", "name")
    exchange, endpoint = said.text("account", "exchange"), said.text("account", "endpoint", missing="live")
    prefix = said.text("account", "credentials", missing=None if name is None else _prefix(name))
    place = pinned = None
    uid = said.text("account", "uid")
    # each name has a sandbox of its own
    if exchange and endpoint and prefix and endpoint != "sandbox" and not book.has(("account", "product")):
        product = said.text("account", "product", missing=_product(exchange))
        kind = endpoints.same_place(exchange, endpoint)
        place = (exchange, kind, product, prefix)
        pinned = None if uid is None else (exchange, environment(kind), product, uid)
    return Claim(
        file=book.file,
        name=name,
        name_line=book.line(("account", "name")),
        place=place,
        pinned=pinned,
        account_line=book.line(("account",)),
    )


def _prefix(name: str) -> str:
    return name.upper().replace("-", "_")


def _product(exchange: str) -> str | None:
    products = TRAITS[exchange].products
    return products[0] if products else None


def _check_account(said: "_RawFile", book: ProblemList) -> None:
    """A product or a region where the exchange has several, and only there."""
    exchange, product = said.text("account", "exchange"), said.text("account", "product")
    region, endpoint = said.text("account", "region"), said.text("account", "endpoint", missing="live")
    if exchange is not None and region is not None and endpoint is not None:
        problem = endpoints.region_problem(exchange, endpoint, region)
        if problem is not None:
            book.add(("account", "region"), problem)
    if exchange is None or product is None or product in TRAITS[exchange].products:
        return
    with_products = tuple(name for name, traits in TRAITS.items() if traits.products)
    book.add(
        ("account", "product"),
        f"{exchange} has no products here; expected no product (it is for {scalars.either(with_products)})",
    )


def _check_symbols(said: "_RawFile", book: ProblemList) -> None:
    """Each symbol is something an exchange could call an instrument, and names a side."""
    for symbol, sides in said.table("positions").items():
        key = ("positions", symbol)
        if is_template(symbol):
            continue
        if not is_instrument(symbol):
            book.add(key, "not the id of an instrument; expected the exchange's own such as BTCUSDT or BTC-USDT-SWAP")
        elif sides == {}:
            book.add(key, f"names no side; expected [positions.{symbol}.{said.sides[0]}] or the like")


def _check_positions(said: "_RawFile", book: ProblemList) -> None:
    """Each position fits the mode, has a type or an amount, and no amount beside crossed."""
    typeless = said.default_type is None and not book.has(("defaults", "margin_type"))
    for key, position in said.positions():
        broken = book.has(key)
        if key[-1] not in said.sides:
            message = f"a {said.mode} account has no side {key[-1]}; expected {scalars.either(said.sides)}"
            book.add(key, message)
        if isinstance(position, dict) and not broken:
            bands.check(key, position, said.raw, book)
            if "auto_add" in position and said.type_of(key) == MarginType.CROSSED:
                book.add((*key, "auto_add"), "beside crossed; expected isolated, as only such a position has it")
        if not isinstance(position, dict) or book.has(key):
            continue
        if typeless and not bands.has_margin(position) and "margin_type" not in position:
            book.add(
                key,
                "neither a type nor an amount; expected isolated_margin, a measure, or margin_type here or above",
            )


def _check_types(said: "_RawFile", book: ProblemList) -> None:
    """Both sides of a symbol have one type where the exchange keeps it for the symbol."""
    exchange = said.text("account", "exchange")
    if exchange is None or TRAITS[exchange].margin_type_scope is not Scope.SYMBOL:
        return
    first: dict[str, tuple[lines.Key, str]] = {}
    for key, _ in said.positions(least=2):
        kind = said.type_of(key)
        if kind is None:
            continue
        before, type_before = first.setdefault(key[1], (key, kind))
        if type_before == kind:
            continue
        earlier, later = sorted((before, key), key=book.line)
        types = {before: type_before, key: kind}
        book.add(
            later,
            f"{types[later]}, but {lines.dotted(earlier)} (line {book.line(earlier)}) is {types[earlier]}; "
            f"expected one type for both sides ({TRAITS[exchange].title} keeps it for the symbol)",
        )


def _check_templates(said: "_RawFile", book: ProblemList) -> None:
    """Check the templates of a file together, as far as each is valid."""
    keys = [key for key, _ in said.positions() if is_template(key[1]) and not book.has(key)]
    templates.check(keys, {key: said.type_of(key) for key in keys}, book)


class _RawFile:
    """The content of a file, as far as it is valid: a key with a problem counts as missing."""

    def __init__(self, raw: dict[str, Any], book: ProblemList) -> None:
        self.raw = raw
        self.book = book
        self.mode = self.text("account", "position_mode")
        self.default_type = self.text("defaults", "margin_type")
        self.sides = tuple(side.value for side in (PositionMode(self.mode).sides if self.mode else Side))

    def table(self, *key: str) -> dict[str, Any]:
        """The table at a key; empty where there is something else."""
        inner: Any = self.raw
        for part in key:
            inner = inner.get(part) if isinstance(inner, dict) else None
        return inner if isinstance(inner, dict) else {}

    def text(self, *key: str, missing: str | None = None) -> str | None:
        """The sound string at a key, ``missing`` where the key is not there, None where it is wrong."""
        if self.book.has(key):
            return None
        value = self.table(*key[:-1]).get(key[-1], missing)
        return value if isinstance(value, str) else None

    def positions(self, *, least: int = 1) -> Iterator[tuple[lines.Key, object]]:
        """Every position whose side is one, sound or not, of the symbols with at ``least`` so many keys."""
        for symbol, sides in self.table("positions").items():
            if isinstance(sides, dict) and len(sides) >= least:
                for side, position in sides.items():
                    if side in _SIDES:
                        yield ("positions", symbol, side), position

    def type_of(self, key: lines.Key) -> str | None:
        """The type a position is declared with; None where it says none that is sound."""
        own = (*key, "margin_type")
        if self.book.has(own):
            return None
        position = self.table(*key)
        implied = MarginType.ISOLATED.value if bands.has_margin(position) else self.default_type
        return self.text(*own, missing=implied)
