"""Spans of a run and its steps, as values: what an operator's tracing is told once a run has ended.

They hold no amount and no secret: where, what, when, and how it ended.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Something that took time, in Unix milliseconds of this machine; ``problem`` is empty where it went well."""

    name: str
    began_ms: int
    ended_ms: int
    attributes: Attributes
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpan:
    """One account's run, and its steps in the order of the plan."""

    run: Span
    steps: tuple[Span, ...] = ()


Spans = Callable[[RunSpan], object]
"""Takes each run that has ended."""


def no_spans(_: RunSpan) -> None:
    """Drop it: tracing was not asked for."""
