"""Problems found by pydantic, in the words of the state file: ``file:line: key: what is wrong; what is expected``."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from reconcile.errors import Problem
from reconcile.statefile import lines, scalars
from reconcile.statefile.lines import Key
from reconcile.statefile.position_table import PositionTable
from reconcile.statefile.schema import SIDES, AccountTable, SidesTable, StateFile
from reconcile.statefile.secret_keys import secret_problem
from reconcile.statefile.shared_tables import DefaultsTable, LimitsTable

_TABLES: dict[str, type[BaseModel]] = {"account": AccountTable, "defaults": DefaultsTable, "policy": LimitsTable}
_SIDE_DEPTH = 2  # positions.SYMBOL
_SIDE_KEY = 3  # positions.SYMBOL.side


class ProblemList:
    """The problems of one file, with the lines of its keys."""

    def __init__(
        self, file: str, where: Mapping[Key, int], *, whole: Callable[[], Mapping[Key, int]] | None = None
    ) -> None:
        """``where`` may be an outline, if ``whole`` tells the lines of all keys; it is asked at the first problem."""
        self.file = file
        self.where = where
        self._whole = whole
        self.found: list[Problem] = []
        self.around: set[Key] = set()

    def add(self, key: Key, message: str) -> None:
        """Note a problem with a key; one that is not there points at the nearest table around it."""
        if self._whole is not None:
            self.where, self._whole = self._whole(), None
        self.around.update(key[:length] for length in range(len(key) + 1))
        self.found.append(Problem(file=self.file, line=self.line(key), key=lines.dotted(key), message=message))

    def line(self, key: Key) -> int:
        """The line of a key, of the nearest table around it, or 1."""
        if len(key) >= _SIDE_KEY and "*" in key[1]:  # the key of a template is SYMBOL.side as one part
            key = (key[0], f"{key[1]}.{key[2]}", *key[_SIDE_KEY:])
        line = self.where.get(key)
        while line is None and key:
            key = key[:-1]
            line = self.where.get(key)
        return 1 if line is None else line

    def has(self, key: Key) -> bool:
        """Whether something is wrong at or below a key."""
        return key in self.around

    def add_all(self, error: ValidationError) -> None:
        """Note every problem of one validation."""
        for detail in error.errors(include_url=False):
            key = tuple(str(part) for part in detail["loc"] if part != "[key]")
            for inner, message in _messages(key, detail):
                self.add((*key, *inner), message)


def _messages(key: Key, detail: Mapping[str, Any]) -> Iterable[tuple[Key, str]]:
    """The problems in one finding of pydantic: keys below ``key``, and what is wrong with them."""
    match detail["type"]:
        case "missing":
            yield (), f"{'table' if len(key) == 1 and key[0] in _TABLES else 'key'} missing; expected {_missing(key)}"
        case "extra_forbidden":
            yield (), _unknown(key)
        case "value_error":
            error = detail["ctx"]["error"]
            if isinstance(error, scalars.BadTableError):
                yield from (((inner,), message) for inner, message in error.problems)
            else:
                yield (), str(error)
        case _:
            yield (), f"{scalars.shown(detail['input'])} is not a table; expected {_table(key)}"


def _missing(key: Key) -> str:
    """An example of a required key, from the examples of the schema."""
    model = StateFile if len(key) == 1 else _TABLES[key[0]]
    examples = model.model_fields[key[-1]].examples
    return f"{key[-1]} = {scalars.shown(examples[0])} or the like" if examples else f"[{lines.dotted(key)}]"


def _unknown(key: Key) -> str:
    inside, word = key[:-1], key[-1]
    if len(inside) == _SIDE_DEPTH:
        return f"unknown side; {scalars.hint(word, SIDES)}"
    secret = secret_problem(word)
    if secret is not None:
        return secret
    return f"unknown key; {scalars.hint(word, tuple(_model(inside).model_fields))}"


def _model(key: Key) -> type[BaseModel]:
    """The model of the table at a key."""
    if not key:
        return StateFile
    if key[0] != "positions":
        return _TABLES[key[0]]
    return SidesTable if len(key) == _SIDE_DEPTH else PositionTable


def _table(key: Key) -> str:
    match key:
        case ("positions",):
            return "tables such as [positions.BTCUSDT.long]"
        case ("positions", symbol):
            return f"a table such as [positions.{symbol}.long]"
        case _:
            return f"[{lines.dotted(key)}]"
