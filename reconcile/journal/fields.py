"""The types of a record's fields: each reads one JSON value, or raises ValueError that says what it should be.

A record that is chained and sealed may still hold anything, because anyone who can write the file can compute new
hashes. Every field is therefore checked here before it is used, and free details as far as a reader uses them.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass
from dataclasses import fields as fields_of
from decimal import Decimal
from functools import lru_cache
from typing import Any, Generic, TypeVar

from reconcile.model.account import Address
from reconcile.model.times import checked
from reconcile.money import parse

T = TypeVar("T")
Read = Callable[[Any], T]

_LARGEST = 1 << 53
"""The largest count in a record."""


def text(value: Any) -> str:
    """Text of any length."""
    if type(value) is not str:
        raise ValueError("is not text")
    return value


def flag(value: Any) -> bool:
    """True or false."""
    if type(value) is not bool:
        raise ValueError("is neither true nor false")
    return value


def count(value: Any) -> int:
    """A whole number from 0 on."""
    if type(value) is not int or not 0 <= value < _LARGEST:
        raise ValueError("is not a whole number from 0 on")
    return value


def moment(value: Any) -> int:
    """Unix milliseconds from 1970 to 2099."""
    if type(value) is not int:
        raise ValueError("is not a time in milliseconds")
    return checked(value)


def amount(value: Any) -> Decimal:
    """A decimal number as text."""
    return parse(text(value))


def positive(value: Any) -> Decimal:
    """A decimal number above 0 as text."""
    found = parse(text(value))
    if found <= 0:
        raise ValueError("is not above 0")
    return found


@lru_cache(maxsize=4096)
def _address(value: str) -> Address:
    """A cached parse: an account has few addresses, and a long journal repeats each of them often."""
    return Address.parse(value)


def address(value: Any) -> Address:
    """``SYMBOL.side``."""
    return _address(text(value))


def mapping(value: Any) -> Mapping[str, Any]:
    """An object with any content."""
    if type(value) is not dict:
        raise ValueError("is not an object")
    return value


def optional(read: Read[T]) -> Read[T | None]:
    """The same, or null."""
    return lambda value: None if value is None else read(value)


def one_of(*words: str) -> Read[str]:
    """One of some words."""
    allowed = frozenset(words)

    def read(value: Any) -> str:
        if type(value) is not str or value not in allowed:
            raise ValueError(f"is none of {', '.join(words)}")
        return value

    return read


def each(read: Read[Any]) -> Read[list[Any]]:
    """A list, returned unchanged."""

    def check(value: Any) -> list[Any]:
        if type(value) is not list:
            raise ValueError("is not a list")
        for item in value:
            read(item)
        return value

    return check


def by(key: Read[Any], read: Read[Any]) -> Read[Mapping[str, Any]]:
    """An object with keys and values of one type each, returned unchanged."""

    def check(value: Any) -> Mapping[str, Any]:
        for name, item in mapping(value).items():
            key(name)
            _named(name, read, item)
        return value  # type: ignore[no-any-return]

    return check


def holding(known: Mapping[str, Read[Any]], *, required: frozenset[str] = frozenset()) -> Read[Mapping[str, Any]]:
    """An object whose known keys have their types, returned unchanged; other keys may hold anything."""

    def check(value: Any) -> Mapping[str, Any]:
        found = mapping(value)
        for name in required:
            if name not in found:
                raise ValueError(f"has no {name}")
        for name, item in found.items():
            if name in known:
                _named(name, known[name], item)
        return found

    return check


def _named(name: str, read: Read[Any], value: Any) -> None:
    try:
        read(value)
    except ValueError as error:
        raise ValueError(f"{name[:60]}: {error}") from error


@dataclass(frozen=True, slots=True)
class Shape(Generic[T]):
    """A dataclass and its fields: for each its name, its type, and whether it is required."""

    kind: type[T]
    parts: tuple[tuple[str, Read[Any], bool], ...]

    def read(self, value: Any, *, what: str = "") -> T:
        """The value that an object holds; keys that are no fields may hold anything. Raises ValueError.

        ``what`` is its name in messages.
        """
        what = what or self.kind.__name__
        held, found = mapping(value), {}
        for name, read, is_required in self.parts:
            if name in held:
                try:
                    found[name] = read(held[name])
                except ValueError as error:
                    raise ValueError(f"the {name} of its {what} {error}") from error
            elif is_required:
                raise ValueError(f"its {what} has no {name}")
        return self.kind(**found)


def shape(kind: type[T], **reads: Read[Any]) -> Shape[T]:
    """The shape of a dataclass, by the type of each field; one that has a default may be missing."""
    return Shape(
        kind,
        tuple(
            (each.name, reads[each.name], each.default is MISSING and each.default_factory is MISSING)
            for each in fields_of(kind)  # type: ignore[arg-type]
        ),
    )
