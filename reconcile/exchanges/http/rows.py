"""The payload of a read, taken row by row and field by field; anything that is missing or odd is a failed read."""

import re
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Generic, TypeVar

from reconcile.errors import ReadFailed, RefusalKind
from reconcile.model.account import Address
from reconcile.model.times import checked
from reconcile.money import parse

T = TypeVar("T")
LONGEST_MESSAGE = 200
LONGEST_NAME = 64
_ACCOUNT_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NUMBERS = (str, int, Decimal)
"""The types in which exchanges print numbers, once JSON is parsed."""


class Row:
    """One object of a read's payload, taken field by field; a field that is missing or odd is a failed read."""

    __slots__ = ("_value", "_what")

    def __init__(self, what: str, value: object) -> None:
        if not isinstance(value, dict):
            raise odd(what, "an object was expected")
        self._what = what
        self._value = value

    def has(self, key: str) -> bool:
        """Whether the field is there, not null and not an empty string."""
        value = self._value.get(key)
        return value is not None and value != ""

    def text(self, key: str) -> str:
        """A string of at most 200 characters."""
        value = self._value.get(key)
        if not isinstance(value, str):
            raise odd(self._what, f"field {key!r} is not a text")
        if len(value) > LONGEST_MESSAGE:
            raise odd(self._what, f"field {key!r} is longer than {LONGEST_MESSAGE} characters")
        return value

    def name(self, key: str) -> str:
        """The name of an asset or instrument: not empty, without white space or control characters."""
        value = self.text(key)
        if not value or not value.isprintable() or " " in value or len(value) > LONGEST_NAME:
            raise odd(self._what, f"field {key!r} is not a name")
        return value

    def account_id(self, key: str) -> str:
        """The exchange's own id of an account: a text of letters, digits, - and _, or a whole number. Never empty."""
        value = self._value.get(key)
        whole = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10**64
        text = str(value) if whole else value
        if not isinstance(text, str) or not _ACCOUNT_ID.fullmatch(text):
            raise odd(self._what, f"field {key!r} does not name the account; nothing is sent for an unnamed account")
        return text

    def number(self, key: str) -> Decimal:
        """A decimal, printed as a string or as a JSON number."""
        value = self._value.get(key)
        if not isinstance(value, _NUMBERS) or isinstance(value, bool):
            raise odd(self._what, f"field {key!r} is not a number")
        try:
            return parse(str(value))
        except ValueError as error:
            raise odd(self._what, f"field {key!r} is not a number") from error

    def optional(self, key: str) -> Decimal | None:
        """A decimal, or None where the field is missing, null or empty."""
        return self.number(key) if self.has(key) else None

    def whole(self, key: str) -> int:
        """A whole number, printed as a string or as a JSON number."""
        value = self.number(key)
        if value != value.to_integral_value():
            raise odd(self._what, f"field {key!r} is not a whole number")
        return int(value)

    def time(self, key: str) -> int:
        """A Unix time in milliseconds between 1970 and 2099."""
        try:
            return checked(self.whole(key))
        except ValueError as error:
            raise odd(self._what, f"field {key!r} is not a time between 1970 and 2099") from error

    def flag(self, key: str) -> bool:
        """A truth value, printed as ``true`` or as the string ``"true"``."""
        value = self._value.get(key)
        if value is True or value is False:
            return value
        match value:
            case str(text) if text.lower() in {"true", "false"}:
                return text.lower() == "true"
            case _:
                raise odd(self._what, f"field {key!r} is neither true nor false")

    def texts(self, key: str) -> list[str]:
        """A list of strings."""
        value = self._value.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise odd(self._what, f"field {key!r} is not a list of texts")
        return value

    def rows(self, key: str) -> "list[Row]":
        """A list of objects."""
        return rows(self._what, self._value.get(key))


class UnknownMode(ReadFailed):
    """A margin mode or position mode that the exchange does not document: no row can be trusted to mean what it did."""

    def __init__(self, message: str) -> None:
        super().__init__(message, again=False)


@dataclass(slots=True)
class SymbolTable(Generic[T]):
    """The list of an exchange: an entry by symbol, and the reason if a symbol's row cannot be used."""

    known: dict[str, T] = field(default_factory=dict)
    odd: dict[str, str] = field(default_factory=dict)


def symbol_table(found: Iterable[Row], name: str, read: Callable[[Row], T]) -> SymbolTable[T]:
    """The rows by the symbol in the field ``name``; one that ``read`` cannot use costs its own symbol only.

    Raises ReadFailed for a row that names no symbol.
    """
    listed = SymbolTable[T]()
    for row in found:
        symbol = row.name(name)
        try:
            listed.known[symbol] = read(row)
        except ReadFailed as error:
            listed.odd[symbol] = str(error)
    return listed


@contextmanager
def costing(found: dict[Address, str], *addresses: Address) -> Iterator[None]:
    """Data that cannot be used inside costs these addresses and no other: ``found`` gets the reason.

    Only for taking rows apart, never around a request. Raises UnknownMode, which costs the account.
    """
    try:
        yield
    except UnknownMode:
        raise
    except ReadFailed as error:
        found.update(dict.fromkeys(addresses, str(error)))


async def unless_refused(work: Coroutine[Any, Any, T]) -> T | ReadFailed:
    """The result of a read about one symbol, or its failure where the exchange refuses it: that costs no other.

    Raises ReadFailed for any other failure.
    """
    try:
        return await work
    except ReadFailed as error:
        if error.kind not in {RefusalKind.STATE, RefusalKind.REQUEST}:
            raise
        return error


def rows(what: str, value: object) -> list[Row]:
    """A payload that is a list of objects; raises ReadFailed when it is not."""
    return [Row(what, item) for item in listed(what, value)]


def listed(what: str, value: object) -> list[object]:
    """A payload that is a list of anything; raises ReadFailed when it is not."""
    if not isinstance(value, list):
        raise odd(what, "a list was expected")
    return value


def odd(what: str, problem: str) -> ReadFailed:
    """The failure of a read whose payload is not of the documented shape."""
    return ReadFailed(f"{what}: the answer is not what the exchange documents: {problem}", again=False)
