"""Every code of every exchange's sheet, as the answer to a margin call of the whole program: what it leads to.

The sheets are the documents in ``docs/exchanges``; their tables of codes are read as they stand there, so that a code
which is written down but not in an adapter's table is noticed, whoever forgot it.
"""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from reconcile.exchanges.base import Code, CodeClass
from reconcile.exchanges.binance.codes import CODES as BINANCE
from reconcile.exchanges.bitget.codes import CODES as BITGET
from reconcile.exchanges.okx.codes import CODES as OKX
from reconcile.model.plan import OutcomeKind
from reconcile.sandbox.faults import Fault
from reconcile.sandbox.http import Answer, answer
from tests.conformance.scenarios import SCENARIOS
from tests.conformance.stage import MARGIN, Names, Virtual, declare
from tests.conformance.test_conformance import margins, play

D = Decimal
SHEETS = Path(__file__).parents[2] / "docs" / "exchanges"
TABLES: dict[str, tuple[Code, ...]] = {"binance": BINANCE, "okx": OKX, "bitget": BITGET}
SECTIONS = {"binance": ("### 3.1", "### 3.2"), "okx": ("## 5.", "## 6."), "bitget": ("### 7.2", "### 7.3")}
_CODE = re.compile(r"(?<![\d.#])(\d{5,6})(?:[–-](\d{5}))?(?![\d.])")
_NEGATIVE = re.compile(r"(?<![\d\w])(-\d{4})(?:\.\.(-\d{4}))?(?![\d-])")
NOT_CODES = {"00000", "10000", "24601"}
"""Numbers in those sections that are no codes of refusals: success, an amount, an issue."""


def in_sheet(exchange: str) -> set[str]:
    """The codes in the sheet's section on errors, ranges written out."""
    begin, end = SECTIONS[exchange]
    text = (SHEETS / f"{exchange}.md").read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]
    found: set[str] = set()
    if exchange == "binance":
        for match in _NEGATIVE.finditer(text):
            found.update(str(number) for number in range(int(match[2] or match[1]), int(match[1]) + 1))
        return found
    for match in _CODE.finditer(text):
        first, last = match[1], match[2] or match[1]
        found.update(str(number).zfill(5) for number in range(int(first), int(last) + 1))
    return found - NOT_CODES


@pytest.mark.parametrize("exchange", SECTIONS)
def test_every_code_of_the_sheet_is_in_the_table(exchange: str) -> None:
    found = in_sheet(exchange)
    assert len(found) > 70
    assert found - {row.code for row in TABLES[exchange]} == set()


def said(exchange: str, code: str) -> Answer:
    """A refusal as the exchange writes it."""
    match exchange:
        case "binance":
            return answer(451 if code == "0" else 400, {"code": int(code), "msg": "no"})
        case "okx":
            return answer(200, {"code": code, "msg": "no", "data": []})
        case _:
            return answer(400, {"code": code, "msg": "no", "requestTime": 1, "data": None})


CASES = [
    pytest.param(exchange, code, id=f"{exchange}-{code}")
    for exchange, table in TABLES.items()
    for code in sorted({row.code for row in table if re.fullmatch(r"-?\d+", row.code)})
]


def proves(exchange: str, code: str) -> CodeClass:
    """What the adapter's table says of a code as the answer to a margin call; doubt where it is about other calls."""
    own = [row.proves for row in TABLES[exchange] if row.code == code and row.call in {None, MOVES[exchange]}]
    return own[-1] if own else CodeClass.DOUBT


MOVES = {"binance": "positionMargin", "okx": None, "bitget": None}
AGAIN = {CodeClass.THROTTLE, CodeClass.CLOCK, CodeClass.DOUBT}


@pytest.mark.parametrize(("exchange", "code"), CASES)
def test_a_code_without_an_effect_leads_where_its_class_says(exchange: str, code: str) -> None:
    names = Names(exchange, "hedge")
    stage = Virtual(names, (Fault(arrives_ms=(), reply=said(exchange, code)),))
    result = stage.play(stage.apply(declare(names, {names.first: "500"})))
    held = margins(stage)[names.first]
    (step,) = result.accounts[0].steps
    if proves(exchange, code) in AGAIN:
        assert (result.exit_code, step.outcome, stage.script.writes) == (0, OutcomeKind.APPLIED, 2), step
        assert D(500) - held < D("0.01")
    else:
        assert (result.exit_code, step.outcome, stage.script.writes) == (3, OutcomeKind.REFUSED, 1), step
        assert held == MARGIN
    assert len(stage.books.effects) <= 1


DOUBTFUL = [
    pytest.param(exchange, row.code, id=f"{exchange}-{row.code}")
    for exchange, table in TABLES.items()
    for row in table
    if row.proves is CodeClass.DOUBT and re.fullmatch(r"-?\d+", row.code)
]


@pytest.mark.parametrize(("exchange", "code"), DOUBTFUL)
def test_a_doubtful_code_with_an_effect_is_never_sent_again(exchange: str, code: str) -> None:
    scenario = next(each for each in SCENARIOS if each.name == "add")
    stage = Virtual(Names(exchange, "hedge"), (Fault(reply=said(exchange, code)),))
    played = play(stage, scenario)
    assert (played.first.exit_code, played.sent, played.sent_again) == (0, 1, 0), played.first
    assert len(stage.books.effects) == 1
