"""The state file of a schedule, as the program would read it."""

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import Address, DesiredAccount, MarginType, Policy, PositionMode, Side, Target, Tolerance
from tests.simulation.schedule import Schedule
from tests.simulation.small import symbol_of

TOLERANCE = Decimal("0.01")
_POLICY = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


def declared(schedule: Schedule, *, revised: bool = False) -> DesiredAccount:
    """One version of the state file: each aim's target, with a tolerance of one cent."""
    return _declared(
        schedule.exchange, schedule.mode, _targets(schedule, revised=revised), schedule.grace, schedule.floor
    )


def address_of(schedule: Schedule, number: int) -> Address:
    """The address of an aim."""
    aim = schedule.aims[number]
    return Address(symbol_of(schedule, aim), Side(aim.side if schedule.mode == "hedge" else "net"))


def _targets(schedule: Schedule, *, revised: bool) -> tuple[tuple[Address, Decimal], ...]:
    return tuple(
        (address_of(schedule, number), aim.declared(revised=revised)) for number, aim in enumerate(schedule.aims)
    )


@lru_cache(maxsize=256)
def _declared(
    exchange: str, mode: str, targets: tuple[tuple[Address, Decimal], ...], grace: int, floor: int
) -> DesiredAccount:
    products = TRAITS[exchange].products
    return DesiredAccount(
        name="main",
        exchange=exchange,
        position_mode=PositionMode(mode),
        endpoint="live",
        product=products[0] if products else None,
        credentials="MAIN",
        targets=tuple(
            Target(
                address=address,
                margin_type=MarginType.ISOLATED,
                isolated_margin=target,
                tolerance=Tolerance(value=TOLERANCE, percent=False),
            )
            for address, target in targets
        ),
        policy=replace(_POLICY, min_available=Decimal(floor)) if floor else _POLICY,
        amount_step=None,
        grace_ms=None if grace == TRAITS[exchange].grace_ms else grace,
        path="/states/main.toml",
        sha256="0" * 64,
    )
