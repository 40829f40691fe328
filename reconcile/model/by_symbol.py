"""Declared values by symbol, where the addresses of one symbol may differ."""

from collections.abc import Mapping
from typing import Protocol, TypeVar

V = TypeVar("V")


class _OfSymbol(Protocol):
    @property
    def symbol(self) -> str: ...


A = TypeVar("A", bound=_OfSymbol)


class BySymbol(dict[str, V]):
    """A value for each declared symbol, the last of its addresses; ``by_address`` has that of each address."""

    def __init__(self, by_address: Mapping[A, V]) -> None:
        super().__init__({address.symbol: value for address, value in by_address.items()})
        self.by_address: Mapping[object, V] = dict[object, V](by_address.items())
