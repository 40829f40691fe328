"""The last line of a result: what was done, what was not, and what happens next, in words for 3 a.m."""

from collections import Counter

from reconcile.model.plan import OutcomeKind, Result, Status
from reconcile.render.values import clean

_AGAIN = "Running apply again is safe: it looks first and sends only what is still missing"


def conclusion(result: Result) -> str:
    """One line that is true on its own, led by the verdict; never claims more than the outcomes do."""
    outcomes = Counter(step.outcome for account in result.accounts for step in account.steps)
    done = _done(outcomes, sum(len(account.plan.order) for account in result.accounts))
    match result.exit_code:
        case 0:
            return _good(result, outcomes)
        case 1:
            return f"FAILED{_whose(result)}: {done} The error above says what to mend. {_AGAIN}."
        case 4:
            return f"REFUSED{_whose(result)}: {done} The reason is above."
        case 5:
            return f"UNKNOWN: {done} {_held(result)}"
        case 130:
            return f"INTERRUPTED: {done} {_AGAIN}."
        case _:
            return f"INCOMPLETE{_whose(result)}: {done} The reasons are above. {_AGAIN}."


def _whose(result: Result) -> str:
    """Which of several accounts the verdict is about; empty where there is one."""
    if len(result.accounts) == 1:
        return ""
    names = [account.plan.desired.name for account in result.accounts if account.exit_code == result.exit_code]
    shown = clean(", ".join(names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f" for {shown} ({len(names)} of {len(result.accounts)} accounts); in all"


def _good(result: Result, outcomes: Counter[OutcomeKind]) -> str:
    waiting = sum(1 for account in result.accounts for entry in account.remaining if entry.status is Status.WAITING)
    waits = f" {_count(waiting, 'target')} waiting for a position." if waiting else ""
    if not outcomes:
        return f"IN SYNC: nothing had to be sent, and nothing was.{waits}"
    return f"DONE: {_count(outcomes[OutcomeKind.APPLIED], 'step')} applied and verified; live is as declared.{waits}"


def _done(outcomes: Counter[OutcomeKind], planned: int) -> str:
    """``1 of 3 steps applied, 1 unknown, 1 not started.``"""
    if sum(outcomes.values()) == outcomes[OutcomeKind.SKIPPED]:
        return f"nothing was sent ({_count(planned, 'step')} planned)." if planned else "nothing was sent."
    total = max(planned, sum(outcomes.values()))
    parts = [f"{outcomes[OutcomeKind.APPLIED]} of {_count(total, 'step')} applied"]
    words = {
        OutcomeKind.ACCEPTED: "accepted but not yet visible",
        OutcomeKind.REFUSED: "refused by the exchange (nothing changed)",
        OutcomeKind.UNKNOWN: "UNKNOWN",
        OutcomeKind.SKIPPED: "not sent",
    }
    parts += [f"{outcomes[outcome]} {text}" for outcome, text in words.items() if outcomes[outcome]]
    missing = total - sum(outcomes.values())
    if missing:
        parts.append(f"{missing} not started")
    return ", ".join(parts) + "."


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
        if entry.status is Status.HELD and f"{account.plan.desired.name}:{entry.address}" not in held
    ]
    names = clean(", ".join(held[:5])) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
    return (
        f"Held, nothing more is sent for: {names or 'the addresses above'}. Do not move this margin by hand yet: "
        "run 'reconcile status' to see it; the next apply looks again by itself, or settle it with 'reconcile resolve'."
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
