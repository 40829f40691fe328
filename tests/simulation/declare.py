"""The state file of a schedule, as the program would read it."""

from dataclasses import replace
from decimal import Decimal
from functools import lru_cache

from reconcile.exchanges.catalogue import TRAITS
from reconcile.model.account import (
    Address,
    DesiredAccount,
    MarginType,
    Policy,
    PositionMode,
    Side,
    Target,
    Tolerance,
    WhenShort,
)
from reconcile.model.measures import Band, Measure, Thresholds
from tests.simulation.schedule import Aim, Bounds, Limits, Schedule
from tests.simulation.small import symbol_of

TOLERANCE = Decimal("0.01")
_POLICY = Policy(allow_reduce=True, min_liquidation_distance=None, max_margin=None)


def declared(schedule: Schedule, *, revised: bool = False) -> DesiredAccount:
    """One version of the state file: each aim's target, with a tolerance of one cent."""
    made = _declared(
        schedule.exchange, schedule.mode, _targets(schedule, revised=revised), schedule.grace, schedule.floor
    )
    return made if schedule.limits is None else _banded(schedule, made, schedule.limits)


def _banded(schedule: Schedule, made: DesiredAccount, limits: Limits) -> DesiredAccount:
    """The account with the bands of its aims and the limits that come with them."""
    policy = replace(
        made.policy,
        allow_reduce=limits.reduces,
        when_short=WhenShort(limits.when_short),
        max_day_add=Decimal(limits.day_add) if limits.day_add else None,
        max_day_changes=limits.day_changes or None,
    )
    targets = (_with_aim(target, aim, limits) for target, aim in zip(made.targets, schedule.aims, strict=True))
    return replace(made, policy=policy, targets=tuple(targets))


def _with_aim(target: Target, aim: Aim, limits: Limits) -> Target:
    target = replace(target, priority=aim.priority or None)
    return target if aim.bounds is None else replace(target, isolated_margin=None, band=_band(aim.bounds, limits))


def _band(bounds: Bounds, limits: Limits) -> Band:
    return Band(
        measure=Measure(bounds.measure),
        bounds=Thresholds(
            floor=_parts(bounds.floor),
            target=_parts(bounds.target),
            ceiling=_parts(bounds.ceiling) if bounds.ceiling else None,
        ),
        at_most=Decimal(bounds.most),
        at_least=Decimal(bounds.least),
        rounding=Decimal(limits.rounding) if limits.rounding else None,
    )


def _parts(thousandths: int) -> Decimal:
    return Decimal(thousandths) / 1000


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
