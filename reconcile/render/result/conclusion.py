"""The last line of a result: what was done, what was not, and what happens next, in words for 3 a.m."""

from collections import Counter

from reconcile.model.plan import Entry, OutcomeKind, Result, Status
from reconcile.render.common.scope import globs, of_result
from reconcile.render.common.values import clean

_REFUSED = 4
_AGAIN = "Running apply again is safe: it looks first and sends only what is still missing"


def conclusion(result: Result) -> str:
    """One line that is true on its own, led by the verdict; never claims more than the outcomes do."""
    outcomes = Counter(step.outcome for account in result.accounts for step in account.steps)
    if _is_cancelled(result):
        return "Cancelled: nothing was sent."
    done = _done(outcomes, sum(len(account.plan.order) for account in result.accounts), writes=_writes(result))
    done = f"{done.removesuffix('.')}{_left(result)}."
    match result.exit_code:
        case 0:
            return _good(result, outcomes)
        case 1:
            verdict = f"FAILED{_whose(result)}: {done} The error above says what to do. {_AGAIN}."
        case 4:
            verdict = f"REFUSED{_whose(result)}: {done} The reason is above."
        case 5:
            verdict = f"UNKNOWN: {done} {_held(result)}"
        case 130:
            verdict = f"INTERRUPTED: {done} {_AGAIN}."
        case _:
            verdict = f"INCOMPLETE{_whose(result)}: {done} The reasons are above. {_AGAIN}."
    return f"{verdict}{_settled(result)}{_outside(result)}"


def _is_cancelled(result: Result) -> bool:
    """Whether a person said no, and that is all that happened."""
    keys = {error.key for account in result.accounts for error in account.errors}
    return result.exit_code == _REFUSED and keys == {"not_confirmed"} and not _writes(result)


def _left(result: Result) -> str:
    """``, 5 blocked``: what has no step of this run and still differs."""
    if result.exit_code == _REFUSED:
        return ""
    counts = Counter(entry.status for account in result.accounts for entry in account.remaining)
    return "".join(f", {counts[status]} {status}" for status in (Status.BLOCKED, Status.HELD) if counts[status])


def _writes(result: Result) -> int:
    """The number of requests sent that may change an account."""
    return sum(account.requests.get("write", 0) for account in result.accounts)


def _settled(result: Result) -> str:
    """A sentence about the outcomes of steps that earlier runs left; empty if there were none."""
    counts = Counter(step.outcome for account in result.accounts for step in account.settled)
    if not counts:
        return ""
    shown = ", ".join(f"{count} {outcome.replace('_', ' ')}" for outcome, count in sorted(counts.items()))
    return f" Settled from an earlier run: {shown}."


def _outside(result: Result) -> str:
    words = of_result(result)
    return f" {words[0].upper()}{words[1:]}." if words else ""


def _whose(result: Result) -> str:
    """The accounts that the verdict is about; empty if there is only one."""
    if len(result.accounts) == 1:
        return ""
    names = [account.plan.desired.name for account in result.accounts if account.exit_code == result.exit_code]
    shown = clean(", ".join(names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f" for {shown} ({len(names)} of {len(result.accounts)} accounts); in all"


def _good(result: Result, outcomes: Counter[OutcomeKind]) -> str:
    if not result.accounts:
        return "NOTHING TO DO: the plan holds no account, so nothing was read and nothing was sent."
    waiting = sum(1 for account in result.accounts for entry in account.remaining if entry.status is Status.WAITING)
    waits = f" {_count(waiting, 'target')} waiting for a position." if waiting else ""
    more = f"{waits}{_settled(result)}{_outside(result)}"
    within = f" within the scope {globs(result.scope)}" if result.scope else ""
    if not outcomes:
        return f"IN SYNC{within}: nothing had to be sent, and nothing was.{more}"
    live = "" if result.scope else "; live is as declared"
    return f"DONE{within}: {_count(outcomes[OutcomeKind.APPLIED], 'step')} applied and verified{live}.{more}"


def _done(outcomes: Counter[OutcomeKind], planned: int, *, writes: int) -> str:
    """``1 of 3 steps applied, 1 unknown, 1 not started.``; nothing was sent only where no write left."""
    if sum(outcomes.values()) == outcomes[OutcomeKind.SKIPPED] and not writes:
        return f"nothing was sent ({_count(planned, 'step')} planned)." if planned else "nothing was sent."
    total = max(planned, sum(outcomes.values()))
    parts = [f"{outcomes[OutcomeKind.APPLIED]} of {_count(total, 'step')} applied"]
    words = {
        OutcomeKind.ACCEPTED: "accepted but not yet visible",
        OutcomeKind.REFUSED: "refused by the exchange (nothing changed)",
        OutcomeKind.UNKNOWN: "UNKNOWN",
        OutcomeKind.SKIPPED: "not done",
    }
    parts += [f"{outcomes[outcome]} {text}" for outcome, text in words.items() if outcomes[outcome]]
    missing = total - sum(outcomes.values())
    if missing:
        parts.append(f"{missing} not started")
    if outcomes[OutcomeKind.SKIPPED] and writes:
        parts.append(f"{_count(writes, 'request')} sent")
    return ", ".join(parts) + "."


def _is_unsettled(entry: Entry) -> bool:
    """Whether a step holds the entry, which status shows; a reading in doubt is counted, and told above."""
    return entry.status is Status.HELD and (entry.hold is None or entry.hold.is_unknown)


def _held(result: Result) -> str:
    held = [
        f"{account.plan.desired.name}:{step.address}"
        for account in result.accounts
        for step in account.steps
        if step.outcome is OutcomeKind.UNKNOWN
    ]
    held += [
        f"{account.plan.desired.name}:{entry.address}"
        for account in result.accounts
        for entry in account.remaining
        if _is_unsettled(entry) and f"{account.plan.desired.name}:{entry.address}" not in held
    ]
    names = clean(", ".join(held[:5])) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
    return (
        f"Held, nothing more is sent for: {names or 'an address whose step is unknown'}. "
        "Do not move this margin by hand yet: run 'reconcile status' to see it; "
        "the next apply looks again by itself, or settle it with 'reconcile resolve'."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
