"""A slice of what ``python -m tests.fuzz`` does for longer, and a proof that the harness finds what it looks for."""

from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconcile.errors import InputError
from tests.fuzz.__main__ import fuzz
from tests.fuzz.harness import Target, attempt, shrunk
from tests.fuzz.targets import TARGETS

SLICE = 300
EVERY = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@EVERY
def test_damaged_input_costs_an_error_and_nothing_else(target: Target) -> None:
    figures = fuzz(replace(target, most_ms=5_000), inputs=SLICE, seed=1)
    assert [f"{each.what}: {each.detail} {each.data!r}" for each in figures.failures.values()] == []
    assert figures.inputs == SLICE


@EVERY
def test_input_of_any_form_costs_an_error_and_nothing_else(target: Target) -> None:
    slow = replace(target, most_ms=5_000)

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(target.strategy())
    def play(data: bytes) -> None:
        assert attempt(slow, data).failure is None

    play()


def made_to(run: object) -> Target:
    return Target(
        name="made",
        about="",
        run=run,  # type: ignore[arg-type]
        generate=lambda random: random.randbytes(60),
        strategy=st.binary,
        secrets=("correct horse battery",),
        most_ms=50,
    )


def test_an_exception_that_is_not_ours_is_a_crash_and_is_shrunk() -> None:
    def run(data: bytes) -> list[str]:
        return [str(1 / (data.count(b"x") < 2))]

    found = attempt(made_to(run), b"aaxbbbxcc").failure
    assert found is not None
    small = shrunk(made_to(run), found)
    assert (small.kind, small.data) == ("crash", b"xx")


@pytest.mark.parametrize("text", ["Correct Horse Battery", "correct%20horse%20battery", "Y29ycmVjdCBob3JzZSBiYXR0ZXJ5"])
def test_a_planted_secret_in_any_form_is_a_leak(text: str) -> None:
    def refuse(data: bytes) -> list[str]:
        raise InputError("refused") from ValueError(f"it said {text}")

    for run in (refuse, lambda _: ["x", text]):
        found = attempt(made_to(run), b"").failure
        assert found is not None
        assert found.kind == "leak"


def test_an_input_that_takes_long_is_over_a_bound() -> None:
    def slow(data: bytes) -> list[str]:
        return [str(sum(range(10_000_000)))]

    found = attempt(made_to(slow), b"").failure
    assert found is not None
    assert found.what == "time" or found.what.startswith("TooSlow")


@pytest.mark.parametrize(("grown", "kind"), [(64 << 20, None), (65 << 20, "bound")])
def test_an_input_that_takes_much_memory_is_over_a_bound(grown: int, kind: str | None) -> None:
    peaks = iter([1 << 30, (1 << 30) + grown])
    found = attempt(made_to(lambda _: []), b"", peak=lambda: next(peaks)).failure
    assert (found and found.kind) == kind


def test_the_same_seed_makes_the_same_inputs() -> None:
    seen: list[bytes] = []
    target = made_to(lambda data: [seen.append(data) or ""])  # type: ignore[func-returns-value]
    fuzz(target, inputs=5, seed=3)
    fuzz(target, inputs=5, seed=3)
    assert seen[:5] == seen[5:]
