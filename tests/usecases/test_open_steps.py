"""A run that ends while a step of an earlier run is open: its exit code, and the margins it notes as in place."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from reconcile.exchanges.http.wire import HttpRequest
from reconcile.journal.records import IntentStatus
from reconcile.journal.state import JournalState
from reconcile.model.plan import AccountResult, Result
from reconcile.render.result.conclusion import conclusion
from reconcile.sandbox.faults import NO_FAULT, Ending, Fault
from reconcile.sandbox.http import Lag, Request
from reconcile.sandbox.venue import SentRequest
from reconcile.usecases import apply as applying
from tests.kit.scene import Scene, desired, play
from tests.simulation.machine import Killed

LONG, ETH = "BTCUSDT.long", "ETHUSDT.long"


class NoWitness:
    """Once ``is_dark``, the ledger cannot be read, and positions are ``late_ms`` behind; with ``is_shut``, they cannot
    be read either once the ledger was tried."""

    def __init__(self, late_ms: int) -> None:
        self.is_dark = False
        self.is_shut = False
        self._looks = 0
        self._late_ms = late_ms

    def pick(self, request: Request) -> Fault:
        """See ``Faults``."""
        if not self.is_dark or request.method != "GET":
            return NO_FAULT
        if request.path.endswith("positionMargin/history"):
            self._looks += 1
            return replace(NO_FAULT, ending=Ending.LOST)
        if self.is_shut and self._looks and request.path.endswith("positionRisk"):
            return replace(NO_FAULT, ending=Ending.LOST)
        return replace(NO_FAULT, lag=Lag(positions_ms=self._late_ms))


def journal(scene: Scene) -> JournalState:
    store = scene.world().store
    return store.read(store.identities()[0])


def test_a_step_that_stays_accepted_is_no_success_although_its_address_is_declared_no_more() -> None:
    faults = NoWitness(late_ms=4_000)

    async def act(scene: Scene) -> tuple[Result, Result]:
        process = scene.process()

        def stop(request: HttpRequest, _: SentRequest) -> None:
            if request.method == "POST":
                process.stop.set()
                faults.is_dark = True

        process.after = stop
        first = await scene.apply(desired({LONG: "4500"}), process)
        return first, await scene.apply(desired({ETH: "1500"}))

    (first, second), scene = play(act, Scene(faults=faults))
    assert first.exit_code == 130
    assert [item.known for item in journal(scene).unsettled.values()] == [IntentStatus.ACCEPTED]
    assert (second.exit_code, second.accounts[0].steps, second.accounts[0].errors) == (3, (), ())
    assert scene.moved_by_calls() == [(LONG, Decimal(1500))]


def test_a_settle_that_leaves_a_step_unknown_notes_no_margin_of_its_address_as_in_place() -> None:
    faults = NoWitness(late_ms=45_000)

    async def act(scene: Scene) -> AccountResult | None:
        with pytest.raises(Killed):
            await scene.apply(desired({LONG: "4500"}), scene.victim())
        faults.is_dark = True
        reverted = desired({LONG: "3000", ETH: "1500"})
        return await applying.settle(scene.world(), reverted, reason=None, command="watch")

    result, scene = play(act, Scene(faults=faults))
    assert result is not None
    assert (result.exit_code, scene.margin(LONG)) == (5, Decimal(4500))
    known = journal(scene)
    assert [item.known for item in known.unsettled.values()] == [IntentStatus.UNKNOWN]
    assert list(known.margins.standing) == [ETH]


@pytest.mark.parametrize("limit", [{}, {"max_total_add": Decimal(10)}], ids=["positions unread", "over a limit"])
def test_an_account_that_cannot_go_on_ends_with_5_while_a_step_is_unknown(limit: dict[str, Any]) -> None:
    faults = NoWitness(late_ms=0)

    async def act(scene: Scene) -> Result:
        with pytest.raises(Killed):
            await scene.apply(desired({LONG: "4500"}), scene.victim())
        faults.is_dark = True
        faults.is_shut = not limit
        return await scene.apply(desired({LONG: "4500", ETH: "1900"}, **limit))

    result, scene = play(act, Scene(faults=faults))
    (error,) = result.accounts[0].errors
    assert (result.exit_code, error.key) == (5, "max_total_add" if limit else "exchange")
    assert [item.known for item in journal(scene).unsettled.values()] == [IntentStatus.UNKNOWN]
    assert [step for step, _ in scene.moved_by_calls()] == [LONG]
    assert conclusion(result).startswith("UNKNOWN: nothing was sent")
