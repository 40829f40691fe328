"""A failed schedule as a person reads it: who did what, when it arrived, when it took effect, who saw what."""

from reconcile.sandbox.values import BookEffect
from tests.simulation.machine import EPOCH_MS
from tests.simulation.oracle import Verdict


def timeline(verdict: Verdict) -> str:
    """The schedule, its violations and every event in order; the verdict must have been watched."""
    simulation = verdict.simulation
    lines = [(at_ms, 1, who, text) for at_ms, who, text in simulation.lines or []]
    lines += [
        (event.at_ms, 0, "wire", f"{event.what} #{event.serial}: {event.detail}") for event in simulation.events()
    ]
    lines += [(effect.time_ms - EPOCH_MS, 2, "BOOKS", _told(effect)) for effect in simulation.books.effects]
    shown = [f"{at_ms:>9} ms  {who:<8} {text}" for at_ms, _, who, text in sorted(lines, key=lambda line: line[:2])]
    happenings = [f"    {each}" for each in verdict.schedule.happenings]
    head = ["schedule:", f"    {verdict.schedule.to_json()}", *happenings, "violations:"]
    return "\n".join([*head, *(f"    {text}" for text in verdict.violations), "timeline:", *shown])


def _told(effect: BookEffect) -> str:
    by = f"request {effect.request}" if effect.request else effect.actor
    return f"{effect.symbol}.{effect.side} {effect.change:+} -> {effect.margin} ({effect.cause}, by {by})"
