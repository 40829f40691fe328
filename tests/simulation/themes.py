"""What chance alone seldom brings together: each theme makes over a share of the seeds' schedules, with its own dice.

*Equal steps*: the same amount twice in a row on one address, or on both sides of one symbol, with a second run soon
after the first one, an effect later than its yes, and a fault at a later call. *Short balance*: a second addition that
the first one leaves no room for, while balances are read late. *Switches*: what no document of an exchange settles.
*An inexact ledger*: rows that are dated early, rounded, or two for one call.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tests.simulation.assumptions import SLACK_MS
from tests.simulation.ledger import Ledger
from tests.simulation.schedule import MOVERS, TIME, WRITE, Aim, Go, Happening, Schedule

_SOON = (0, 0, 0, 100, 1_000, 4_000, 8_000, 10_000)
"""How long after a run the next one begins, milliseconds."""
_STEPS = (300, 500, -300, 200)
_LATER_CALL = (
    *("never", "never", "never_reset", "lost", "lost", "late_lost", "late", "cut", "tls"),
    *("kill_sent", "kill_answer", "power_sent", "refusal:throttle", "slow"),
)
_SWITCHES: Mapping[str, tuple[tuple[str, Any], ...]] = {
    "binance": (
        ("both_rows_in_hedge", True),
        ("twin_rows_in_v3", True),
        ("rows_reversed", True),
        ("update_time_moves", False),
        ("negative_reductions", True),
        ("history_descending", True),
        ("history_page_newest", True),
        ("history_max_limit", 50),
        ("weight_header_lost", True),
        ("retry_after", False),
        ("v3_missing", True),
    ),
    "okx": (
        ("leverage_told", True),
        ("update_time_moves", False),
        ("new_position_ids", True),
        ("zero_rows", False),
        ("reduce_bills_positive", True),
        ("page_before_newest", False),
        ("archive_has_recent", False),
        ("free_balance_empty", "availBal"),
        ("throttle_status", 429),
    ),
    "bitget": (
        ("error_status", 200),
        ("zero_rows", True),
        ("null_when_empty", True),
        ("hold_side_required", False),
        ("bill_amounts", "absolute"),
        ("bill_amounts", "account"),
        ("bill_coin_error", True),
        ("update_time_moves", False),
        ("leverages_as_text", True),
        ("request_time_as_text", True),
        ("rate_header", False),
    ),
}
"""Values of switches, other than the usual ones, under which every assumption holds."""


def themed(made: Schedule, seed: int, *, validity_ms: int) -> Schedule:
    """A seed's schedule with the themes that its dice choose."""
    dice = random.Random(f"themes {seed}")
    share = dice.random()
    if share < 0.15:
        made = _equal_steps(dice, made, validity_ms)
    elif share < 0.25:
        made = _short_balance(dice, made)
    return _inexact(dice, _queued(dice, _switched(dice, made)))


def _inexact(dice: random.Random, made: Schedule) -> Schedule:
    """One in six with a ledger that is not exact."""
    if dice.random() >= 1 / 6:
        return made
    slack = max(made.grace, SLACK_MS[made.exchange])
    ledgers = (
        *(Ledger(behind=behind) for behind in (1_000, slack, dice.randint(1, slack))),
        *(Ledger(digits=digits, behind=dice.choice((0, 0, 1_000))) for digits in (2, 4)),
        Ledger(
            splits=True,
            behind=dice.choice((0, 0, 1_000)),
            digits=dice.choice((-1, 2)),
            tenths=dice.choice((4, 9)),
            ours_only=dice.choice((False, True)),
        ),
    )
    return replace(made, ledger=dice.choice(ledgers))


def _queued(dice: random.Random, made: Schedule) -> Schedule:
    """In half of them a call without an answer takes effect later than the exchange accepted it."""
    if dice.random() < 0.5:
        return made
    named = {"lost": "queued_lost", "late_lost": "late_queued", "late": "late_queued", "kill_sent": "kill_queued_sent"}
    hits = (
        replace(each, how=named[each.how], value=dice.choice((made.grace, dice.randint(1, made.grace))))
        if each.where == WRITE and each.how in named
        else each
        for each in made.happenings
    )
    return replace(made, happenings=tuple(sorted(hits)))


def _equal_steps(dice: random.Random, made: Schedule, validity_ms: int) -> Schedule:
    step = dice.choice(_STEPS)
    is_twice, on_both = dice.choice(((True, False), (True, False), (False, True), (True, True)))
    before = 1_000 if step > 0 else 2_000
    revised = before + 2 * step if is_twice else dice.choice((None, before, before + 2 * step))
    aim = replace(made.aims[0], before=before, target=before + step, revised=revised, part=0)
    others = (_beside(aim, made.mode),) if on_both else made.aims[1:]
    first_run = 1 + sum(each.target != each.before for each in others)
    hits = _early(dice, made.grace)
    later = _later(dice, validity_ms, call=first_run if on_both and not is_twice else first_run + dice.randint(0, 1))
    if later.n > 1:
        hits.append(later)
    made = _undisturbed(dice, made, share=0.7)
    if dice.random() < 0.5:  # with no trouble but that
        made = replace(made, happenings=(), replicas=())
    return _with(made, hits, aims=(aim, *others), runs=_two_runs(dice, made))


def _beside(aim: Aim, mode: str) -> Aim:
    """The other side of the symbol; in one-way mode, which has none, another symbol."""
    if mode == "hedge":
        return replace(aim, side="short" if aim.side == "long" else "long")
    return replace(aim, symbol=(aim.symbol + 1) % 3)


def _early(dice: random.Random, grace: int) -> list[Happening]:
    """An effect or an answer of the first call that comes late, most often."""
    late = dice.choice((grace, grace - dice.randint(0, grace // 5), dice.randint(1, grace)))
    how, value = dice.choice((*(("early_yes", late),) * 3, ("slow", 9_000), ("", 0)))
    return [Happening(where=WRITE, n=1, how=how, value=value)] if how else []


def _later(dice: random.Random, validity_ms: int, *, call: int) -> Happening:
    how = dice.choice(_LATER_CALL)
    value = {"slow": 9_000}.get(how, 0)
    if how in {"late", "late_lost", "kill_sent", "power_sent"}:
        value = dice.choice((0, dice.randint(0, validity_ms), validity_ms - 100))
    return Happening(where=WRITE, n=call, how=how, value=value)


def _short_balance(dice: random.Random, made: Schedule) -> Schedule:
    floor, step, more = dice.choice((100, 300)), dice.choice((200, 300, 500)), dice.choice((200, 300, 500))
    aim = replace(made.aims[0], before=1_000, target=1_000 + step, revised=1_000 + step, part=0)
    other = replace(_beside(aim, dice.choice((made.mode, "one-way"))), target=1_000, revised=1_000 + more)
    made = _undisturbed(dice, made, share=1.0)
    late = dice.choice((made.grace, 10 * made.grace, dice.randint(1, 10 * made.grace)))
    turns = dice.choice((((0, 0), (late, 0)), ((0, 0), (0, 0), (late, 0)), ((late, 0), (0, 0)), made.replicas))
    room = dice.choice((1, 100, more - 1, more, more + 100))
    made = replace(made, replicas=turns, free=floor + step + room, floor=floor)
    return _with(made, dice.choice((_early(dice, made.grace), [])), aims=(aim, other), runs=_two_runs(dice, made))


def _two_runs(dice: random.Random, made: Schedule) -> tuple[Go, ...]:
    """The schedule's own runs, of which the second soon goes by the other version of the state file."""
    first = replace(made.runs[0], command="apply", revised=False)
    second = made.runs[1] if len(made.runs) > 1 else first
    second = replace(second, command="apply", revised=True, beside=False, wait=dice.choice(_SOON))
    return (first, second, *(replace(go, revised=dice.random() < 0.7) for go in made.runs[2:]))


def _undisturbed(dice: random.Random, made: Schedule, *, share: float) -> Schedule:
    """In this share of them nobody else moves margin: whatever happens is ours."""
    if dice.random() >= share:
        return made
    kept = (each for each in made.happenings if each.where != TIME or each.how not in MOVERS)
    return replace(made, happenings=tuple(kept))


def _with(made: Schedule, hits: Sequence[Happening], *, aims: tuple[Aim, ...], runs: tuple[Go, ...]) -> Schedule:
    """With these happenings in place of others at the same points; what concerns an aim concerns one there is."""
    places = {(each.where, each.n) for each in hits}
    kept = (each for each in made.happenings if (each.where, each.n) not in places)
    fitting = (replace(each, on=each.on % len(aims)) if each.how in MOVERS else each for each in kept)
    return replace(made, aims=aims, runs=runs, happenings=tuple(sorted((*fitting, *hits))))


def _switched(dice: random.Random, made: Schedule) -> Schedule:
    """One in six with one switch set otherwise, or two."""
    if dice.random() >= 1 / 6:
        return made
    chosen = dice.sample(_SWITCHES[made.exchange], dice.randint(1, 2))
    return replace(made, switches=tuple(sorted(dict(chosen).items())))
