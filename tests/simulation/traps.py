"""Schedules that the program passes and a defect does not, one for each defect that chance finds only seldom."""

from collections.abc import Mapping
from dataclasses import replace

from tests.simulation.assumptions import SLACK_MS
from tests.simulation.hits import OTHER_YES, SPANS, refusing
from tests.simulation.ledger import Ledger
from tests.simulation.schedule import LEVER, SPAN, TIME, Aim, Go, Happening, Schedule

GRACE = 5_000


def _at(moment: int, how: str, value: int = 0) -> Happening:
    return Happening(where=TIME, n=moment, how=how, value=value)


def _hit(where: str, number: int, how: str, value: int = 0) -> Happening:
    return Happening(where=where, n=number, how=how, value=value)


def traps(exchange: str, validity_ms: int) -> Mapping[str, Schedule]:
    """By what each is about. ``validity_ms`` is how long a request of that exchange's can still be accepted."""
    late = validity_ms - 100
    cold = validity_ms + GRACE
    behind = ((GRACE, GRACE),)
    later = 49_000
    asked = {"binance": 2, "okx": 1, "bitget": 5}[exchange]  # ledger requests before the first call of a run
    newest = {"bitget": 5}.get(exchange, 1)  # and those for its newest row
    both = (Aim(), Aim(side="short"))
    found = {
        "a late yes, and reads as far behind as can be": Schedule(
            runs=(Go(), Go(wait=2_100)),
            happenings=(
                _hit("write", 1, "late_yes", min(late, 2_900)),
                *(_hit("positions", number, "stale_positions", GRACE) for number in range(4, 9)),
            ),
        ),
        "killed before a yes is seen, read slowly from a replica that is behind": Schedule(
            runs=(Go(), Go()),
            replicas=((0, 0),) * (2 if exchange == "okx" else 1) + ((GRACE, 0),),
            happenings=(_hit("line", 6, "kill"), _hit("positions", 8 if exchange == "okx" else 6, "slow", 4_700)),
        ),
        "the same amount twice, with a reduction by hand in between": Schedule(
            runs=(Go(), Go(wait=4_000)),
            happenings=(
                _hit("write", 1, "lost"),
                _at(2 * cold + 3_000, "human_reduce", 500),
                _hit("write", 2, "never"),
            ),
        ),
        "resolved while the request is under way": Schedule(
            runs=(Go(), Go(command="resolve"), Go()),
            replicas=behind,
            happenings=(_hit("write", 1, "kill_sent", late),),
        ),
        "our row behind pages of others, and a reduction that hides it from the margin": Schedule(
            runs=(Go(),),
            switches=(("history_max_limit", 50),) if exchange == "binance" else (),
            happenings=(
                *(_at(cold + 200 + number, "noise", 20) for number in range(6)),
                _at(cold + 2_000, "human_reduce", 500),
                _hit("write", 1, "late_lost", 1_500),
            ),
        ),
        "one look that is wrong at both witnesses": Schedule(
            runs=(Go(),),
            happenings=(
                _hit("write", 1, "lost"),
                _hit("positions", 3, "glitch", 60_000),
                *(
                    _hit("ledger", number, "glitch", 60_000)
                    for number in range(1 + asked, asked + (3 if exchange == "binance" else 9))
                ),
            ),
        ),
        "positions that are not listed, and a ledger that is late": Schedule(
            runs=(Go(),),
            happenings=(
                _hit("write", 1, "lost"),
                *(_hit("positions", number, "empty") for number in range(3, 9)),
                _hit("ledger", 0, "stale_ledger", 50_000),
            ),
        ),
        "both sides of a symbol, the second call lost": Schedule(
            aims=both, runs=(Go(),), happenings=(_hit("write", 2, "never"),)
        ),
        "another home, while the request of the first is under way": Schedule(
            runs=(Go(), Go(wait=1_500, home=1)), happenings=(_hit("write", 1, "kill_sent", late),)
        ),
        "killed in the cold fence of a second home": Schedule(
            runs=(Go(), Go(home=1), Go(home=1, wait=1_000)),
            happenings=(_hit("write", 1, "kill_sent", late), Happening(where=TIME, n=cold + 1_500, how="kill", on=1)),
        ),
        "two files for one account": Schedule(runs=(Go(), Go(wait=1_500, beside=True, label="twin")), replicas=behind),
        "a runner that waits while the other verifies": Schedule(
            runs=(Go(), Go(wait=1_500, beside=True)), replicas=behind
        ),
        "a clock that is behind, and a late request": Schedule(
            runs=(Go(wall=-3_600_000),), replicas=behind, happenings=(_hit("write", 1, "late_lost", late),)
        ),
        "a clock that jumps ahead in the fence": Schedule(
            runs=(Go(),),
            replicas=behind,
            happenings=(_hit("write", 1, "late_lost", late), _at(cold + 500, "wall", 3_600_000)),
        ),
        "a broken channel after the request was read": Schedule(runs=(Go(),), happenings=(_hit("write", 1, "tls"),)),
        "a code nobody knows, with effect": Schedule(
            runs=(Go(),), happenings=(_hit("write", 1, "odd:undocumented_code"),)
        ),
        "more added by hand than was missing, while the ledger is read": Schedule(
            aims=(Aim(target=1000, revised=1500),),
            runs=(Go(), Go(wait=70_000, revised=True)),
            happenings=(_hit("ledger", asked + 1, "slow", 9_000), _at(72_000 + GRACE, "human_add", 700)),
        ),
        "a ledger that cannot be read": Schedule(
            runs=(Go(),),
            happenings=(
                _hit("write", 1, "lost"),
                *(_hit("ledger", number, "timeout") for number in range(1 + asked + newest, 60 + asked)),
            ),
        ),
        "a lock that was removed": Schedule(
            runs=(Go(), Go(wait=2_000, beside=True)),
            happenings=(Happening(where=TIME, n=1_000, how="lock_replaced"),),
        ),
        "resolved as applied, and positions later than that": Schedule(
            runs=(Go(), Go(command="resolve", wait=cold + GRACE + 1_000), Go()),
            replicas=((later, 0),),
            happenings=(_hit("write", 1, "kill_sent"),),
        ),
        "another home, and positions that are late": Schedule(
            runs=(Go(), Go(wait=0, host="two", home=1)), replicas=((later, 0),)
        ),
        "in sync by reads from before another home's step": Schedule(
            aims=(Aim(revised=1000),),
            runs=(Go(), Go(home=1, revised=True)),
            replicas=behind,
            happenings=(_hit("write", 1, "kill_answer"),),
        ),
        "a journal put back while a request is under way": Schedule(
            aims=(Aim(revised=2000),),
            runs=(Go(), Go(revised=True), Go(revised=True)),
            happenings=(_hit("journal", 2, "rolled_back"), _hit("write", 2, "kill_sent", late)),
        ),
        "a resolve of a journal put back while a request is under way": Schedule(
            aims=(Aim(revised=2000),),
            runs=(Go(), Go(revised=True), Go(command="resolve", wait=2 * GRACE), Go(revised=True)),
            happenings=(
                _hit("journal", 2, "rolled_back"),
                _hit("write", 1, "kill"),
                _hit("write", 2, "kill_sent", late),
            ),
        ),
        **{
            f"reverted, and {command} reads from before our step, phase {phase}": Schedule(
                aims=(Aim(revised=1000),),
                runs=(Go(), Go(wait=0, revised=True, command=command)),
                replicas=tuple((0 if turn == phase else 4_000, 0) for turn in range(3)),
            )
            for command in ("plan", "drift")
            for phase in range(3)
        },
        **{
            f"power lost while the request is under way, {seed}": Schedule(
                runs=(Go(), Go()),
                replicas=behind,
                happenings=(_hit("write", 1, "power_sent", late),),
                seed=seed,
            )
            for seed in range(12)
        },
        "a refusal's code with HTTP 503, and with effect": Schedule(
            runs=(Go(),), happenings=(_hit("write", 1, "coded:503"),)
        ),
        "a refusal's code with HTTP 408, and with effect": Schedule(
            runs=(Go(),), happenings=(_hit("write", 1, "coded:408"),)
        ),
        "more digits than the exchange moves": Schedule(aims=(Aim(part=3_333_333_333),), runs=(Go(),)),
        "later than our recvWindow": Schedule(runs=(Go(),), happenings=(_hit("write", 1, "late_lost", 20_000),)),
        "a yes that is never done": Schedule(runs=(Go(),), happenings=(_hit("write", 1, "yes_without"),)),
        "a yes before its effect": Schedule(runs=(Go(), Go()), happenings=(_hit("write", 1, "early_yes", GRACE),)),
        **_other_yes(exchange, cold=cold, late=late),
        "no answer in time, and late": Schedule(runs=(Go(),), happenings=(_hit("write", 1, "late", late),)),
        "an addition on a balance that lacks the last one": Schedule(
            aims=(Aim(revised=1500), Aim(symbol=1, target=1000, revised=1500)),
            runs=(Go(), Go(wait=GRACE + 1_000, revised=True)),
            replicas=((0, 0), (2 * GRACE, 0)),
            free=1_000,
            floor=300,
        ),
        "the row of an equal call": Schedule(
            aims=(Aim(target=1300, revised=1600),),
            runs=(Go(), Go(wait=0, revised=True)),
            happenings=(_hit("write", 1, "early_yes", 600), _hit("write", 2, "never")),
            grace=1_000,
        )
        if exchange == "binance"
        else Schedule(aims=both, happenings=(_hit("write", 1, "early_yes", 300), _hit("write", 2, "lost"))),
        "an addition that a refused reduction does not pay for": Schedule(
            aims=(Aim(before=1500, target=1200), Aim(symbol=1), Aim(symbol=2)),
            runs=(Go(),),
            replicas=((GRACE, 0),),
            happenings=(_hit("write", 1, "refusal:state"),),
            free=1_000,
            floor=200,
        ),
        **{
            f"reads that are wrong for less than a second, phase {phase}": Schedule(
                runs=(Go(),),
                happenings=(
                    _hit("write", 1, "lost"),
                    Happening(where=SPAN, n=2 * cold + phase * 400, how="wrong_reads", value=900),
                ),
            )
            for phase in range(3)
        },
        **{
            f"every request hit for twelve seconds: {how}": Schedule(
                runs=(Go(), Go()), happenings=(Happening(where=SPAN, n=cold, how=how, value=12_000),)
            )
            for how in SPANS
            if how != "wrong_reads"
        },
        "a reverted target, a hundred graces later": Schedule(
            aims=(Aim(revised=1000),), runs=(Go(), Go(wait=101 * GRACE, revised=True))
        ),
        "a yes, and the very same addition and another position before it is seen": Schedule(
            runs=(Go(), Go()),
            happenings=(
                _hit("write", 1, "slow", 9_000),
                _at(cold + 1_500, "human_add", 500),
                _at(cold + 3_000, "close"),
                _at(cold + 4_000, "reopen"),
            ),
        ),
        "every class of refusal, one after the other": _refused(exchange),
        **_inexact(max(GRACE, SLACK_MS[exchange])),
        "an equal step whose call never arrives": Schedule(
            aims=(Aim(target=1300, revised=1600),),
            runs=(Go(), Go(wait=6_000, revised=True)),
            happenings=(_hit("write", 2, "never"),),
        ),
        **_yes_in_doubt(cold),
        **_conduct(cold),
        **_moved_by_others(exchange, cold + 5_000),
        **(_reverted_and_never() if exchange == "binance" else _reopened(cold)),
    }
    return {name: _on(schedule, exchange) for name, schedule in found.items()}


def _inexact(slack_ms: int) -> Mapping[str, Schedule]:
    """A call without an answer in a ledger that is not exact, with positions as late as they may be."""
    lost = Schedule(runs=(Go(),), happenings=(_hit("write", 1, "lost"),), replicas=((49_000, 0),))
    return {
        "a row dated as early as may be": replace(lost, ledger=Ledger(behind=slack_ms)),
        "a call booked as two rows": replace(lost, ledger=Ledger(splits=True)),
        "a rounded row": replace(lost, aims=(Aim(part=3_333_333_333),), ledger=Ledger(digits=0)),
        "a ledger that does not reach back": replace(lost, ledger=Ledger(reach=GRACE)),
        "a ledger that does not reach back, ten graces later": Schedule(
            runs=(Go(), Go(wait=100_000)), happenings=(_hit("write", 1, "kill_sent"),), ledger=Ledger(reach=GRACE)
        ),
    }


def _conduct(cold: int) -> Mapping[str, Schedule]:
    """What a run may not do although no margin moves wrongly: how often it sends, how long it holds, why it gives up.
    The call leaves at ``cold``."""
    return {
        "asked to stop while the intent is flushed": Schedule(
            runs=(Go(), Go()), flush=2_000, happenings=(_at(cold + 2_500, "stop"),)
        ),
        "an addition that is refused for now, and no balance for two": Schedule(
            runs=(Go(),), free=700, happenings=(_hit("write", 1, "refusal:throttle"),)
        ),
        "no connection for nine calls": Schedule(
            runs=(Go(),), happenings=tuple(_hit("write", number, "refused") for number in range(1, 10))
        ),
        "a disk that is slower than a look may be old": Schedule(runs=(Go(),), flush=6_000),
        "no position at the first look of a run": Schedule(
            aims=(Aim(revised=1700),), runs=(Go(), Go(revised=True)), happenings=(_hit("positions", 4, "empty"),)
        ),
        "killed before a call that a short ledger does not rule out": Schedule(
            runs=(Go(), Go(wait=100_000)), happenings=(_hit("write", 1, "kill"),), ledger=Ledger(reach=GRACE)
        ),
        "a journal that is cut back to a refusal before the call": Schedule(
            runs=(Go(), Go(wait=0)),
            replicas=((49_000, 0),),
            happenings=(_hit("write", 1, "refusal:throttle"), _hit("journal", 1, "cut_short", 4)),
        ),
        "a yes that is never done, and ten graces": Schedule(
            runs=(Go(), Go(wait=60_000)), happenings=(_hit("write", 1, "yes_without"),)
        ),
    }


def _moved_by_others(exchange: str, moment: int) -> Mapping[str, Schedule]:
    """Each cause by which others move margin from that moment on, between two steps; a run tells the drift."""
    aims = (Aim(revised=1700),)
    runs = (Go(), Go(wait=15_000, command="drift"), Go(wait=100, revised=True))
    moved = {
        "funding, automatic margin and a fill": (
            _at(moment, "fund", -3_000),
            _at(moment, "auto", 50),
            _at(moment, "fill"),
        ),
        "a position that is closed": (_at(moment, "close"),),
    }
    pulled = {
        "margin that a lower leverage pulls in": Schedule(
            aims=(Aim(before=300, target=400, revised=700),),
            runs=runs,
            switches=(("leverage_sub_type", "199"),),
            happenings=(_at(moment, LEVER, 2),),
        )
    }
    return {
        **{name: Schedule(aims=aims, runs=runs, happenings=happenings) for name, happenings in moved.items()},
        **(pulled if exchange == "okx" else {}),
        "drift while a call is under way": Schedule(
            aims=aims,
            runs=(Go(), Go(wait=20_000, revised=True), Go(wait=3_000, revised=True, command="drift")),
            happenings=(_hit("write", 2, "kill_sent"),),
        ),
    }


def _reverted_and_never() -> Mapping[str, Schedule]:
    """A step, its reversal and the same step again, whose call never arrives; from then on positions show what the
    first one left. Only Binance's fence is short enough for ten graces to reach back so far."""
    schedule = Schedule(
        aims=(Aim(target=1300, revised=1000),),
        runs=(Go(), Go(wait=6_000, revised=True), Go(wait=6_000)),
        happenings=(
            _hit("write", 3, "never"),
            *(_hit("positions", 7 + late, "stale_positions", 18_600 + 1_041 * late) for late in range(25)),
        ),
    )
    return {"a reverted step that never arrives again, and positions that show it": schedule}


def _reopened(sent: int) -> Mapping[str, Schedule]:
    """A call that never arrives, and another position whose margin is what the call would have made; the ledger is as
    late as one witness may be. The call leaves at ``sent``."""
    schedule = Schedule(
        runs=(Go(),),
        replicas=((0, 49_000),),
        happenings=(
            _hit("write", 1, "never"),
            _at(sent + 9_000, "reopen"),
            *(_at(sent + moment, "human_add", 700) for moment in (10_000, 11_000)),
        ),
    )
    return {"another position that has the margin of a call that never arrived": schedule}


def _other_yes(exchange: str, *, cold: int, late: int) -> Mapping[str, Schedule]:
    """The answer to another request, while ours is under way and a person moves our amount; the call leaves at
    ``cold``."""
    if exchange not in OTHER_YES:
        return {}
    schedule = Schedule(
        aims=(Aim(revised=2000),),
        runs=(Go(), Go(wait=GRACE + 1_000, revised=True)),
        happenings=(_hit("write", 1, "other_yes", late), _at(cold + 1_500, "human_add", 500)),
    )
    return {"a yes to another amount than was sent": schedule}


def _refused(exchange: str) -> Schedule:
    names = refusing(exchange)
    hits = [_hit("write", number, f"refusal:{name}") for number, name in enumerate(names, start=1)]
    doubt = {"binance": "unexpected_response", "okx": "timeout_50004", "bitget": "timeout_40010"}[exchange]
    last = _hit("write", len(names) + 1, f"odd_without:{doubt}")
    return Schedule(runs=(Go(),) * (len(names) + 1), happenings=(*hits, last))


def _yes_in_doubt(sent: int) -> Mapping[str, Schedule]:
    """A yes whose change a person takes back before a look can show it, by what a later run finds.

    The ledger is as late as one witness may be. A later run sees no row, ours, or ours and one just like it, and a
    margin that has not moved, has moved by as much once more, or by too little to tell. The call leaves at ``sent``.
    """
    found = {}
    for rows, wait in ((0, 4_000), (1, 32_000), (2, 32_000)):
        for margin, again in (("not moved", 0), ("moved", 500), ("cannot tell", 200)):
            extra = (_at(sent + 1_500, "human_add", 500),) if rows == 2 else ()
            more = (_at(sent + 22_500, "human_add", again),) if again else ()
            back = _at(sent + 8_500, "human_reduce", 1_000 if rows == 2 else 500)
            found[f"a yes taken back unseen, then {rows} rows and {margin}"] = Schedule(
                runs=(Go(), Go(wait=wait)),
                replicas=((0, 49_000),),
                happenings=(_hit("write", 1, "slow", 9_000), *extra, back, *more),
            )
    return found


def _on(schedule: Schedule, exchange: str) -> Schedule:
    return replace(schedule, exchange=exchange)
