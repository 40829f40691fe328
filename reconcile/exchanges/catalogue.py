"""The exchanges that the program knows: every package here that has traits. A new package needs no line elsewhere."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pkgutil import iter_modules
from types import MappingProxyType

from reconcile.model.traits import Traits


def _found() -> dict[str, Traits]:
    packages = (each.name for each in iter_modules(import_module(__package__).__path__) if each.ispkg)
    modules = (f"{__package__}.{name}.traits" for name in packages)
    found: list[Traits] = [import_module(module).TRAITS for module in modules if find_spec(module)]
    return {traits.name: traits for traits in found}


TRAITS: Mapping[str, Traits] = MappingProxyType(_found())
"""By name, in alphabetical order."""
