"""The holder of a lock in words: what it does and for whom, its process and host, and since when."""

from collections.abc import Mapping

_ORDER = ("host", "pid", "session", "account", "run", "since")
UNKNOWN = "a process that has not given its name"


def holder_text(holder: Mapping[str, str]) -> str:
    """``apply by alice, host runner-1, pid 4711, run 5f0c…, since 2026-01-31T12:00:00.000Z``."""
    command, actor = holder.get("command", ""), holder.get("actor", "")
    by = f"{command} by {actor}" if command and actor else command or (f"actor {actor}" if actor else "")
    names = [*_ORDER, *sorted(set(holder) - {*_ORDER, "command", "actor"})]
    return ", ".join(filter(None, [by, *(f"{name} {holder[name]}" for name in names if holder.get(name))])) or UNKNOWN


def busy(holder: Mapping[str, str], waited_s: str) -> str:
    """The message for a run that did not get an account's lock after ``waited_s`` seconds (empty: it did not wait)."""
    waited = f"not free within {waited_s} s" if waited_s else "not free"
    return (
        f"taking the account's lock: {waited}, it is held by {holder_text(holder)}; "
        "wait for that run to end, then run again"
    )
