"""The life of a step, walked arrow by arrow."""

import pytest

from reconcile.model.plan import OutcomeKind
from reconcile.protocol.lifecycle import OUTCOMES, TABLE, Event, ImpossibleError, State, advance

SENDING = {state for (state, event) in TABLE if event is Event.SEND}


def arrows(state: State) -> dict[Event, State]:
    return {event: after for (before, event), after in TABLE.items() if before is state}


def reachable(start: State, *, without: frozenset[State] = frozenset()) -> set[State]:
    """Every state some path leads to, ``start`` included, never passing through ``without``."""
    found, open_ends = {start}, [start]
    while open_ends:
        for after in arrows(open_ends.pop()).values():
            if after not in found and after not in without:
                found.add(after)
                open_ends.append(after)
    return found


def test_only_an_intent_on_disk_is_ever_sent() -> None:
    assert {State.JOURNALLED} == SENDING
    assert {before for (before, _), after in TABLE.items() if after is State.JOURNALLED} == {State.PLANNED}
    assert TABLE[State.PLANNED, Event.INTENT_WRITTEN] is State.JOURNALLED


def test_no_path_leads_from_doubt_to_sending_but_through_looking() -> None:
    assert not reachable(State.DOUBT, without=frozenset({State.LOOKING})) & {
        State.PLANNED,
        State.JOURNALLED,
        State.SENT,
    }


def test_doubt_is_left_for_looking_only_once_the_fence_has_passed() -> None:
    assert arrows(State.DOUBT) == {
        Event.FENCE_PASSED: State.LOOKING,
        Event.CANNOT_TELL: State.UNKNOWN,
        Event.INTERRUPTED: State.UNKNOWN,
    }


def test_looking_leads_to_a_new_try_only_where_nothing_was_found() -> None:
    again = {event for event, after in arrows(State.LOOKING).items() if State.SENT in reachable(after)}
    assert again == {Event.NOT_FOUND}


def test_nothing_is_sent_again_after_a_yes() -> None:
    assert State.SENT not in reachable(State.ACCEPTED)


def test_a_request_that_is_out_is_sent_again_only_when_proven_not_executed() -> None:
    again = {event for event, after in arrows(State.SENT).items() if after is State.PLANNED}
    assert again == {Event.REFUSED_FOR_NOW, Event.NOT_SENT}


def test_every_state_can_be_lived_and_every_life_can_end() -> None:
    ends = {state for state in State if not arrows(state)}
    assert reachable(State.PLANNED) == set(State)
    assert ends == set(OUTCOMES)
    assert all(reachable(state) & ends for state in State)


def test_every_event_can_happen_somewhere() -> None:
    assert {event for _, event in TABLE} == set(Event)


def test_every_outcome_of_a_report_is_an_end_of_some_life() -> None:
    assert set(OUTCOMES.values()) == set(OutcomeKind)


def test_every_life_can_be_interrupted() -> None:
    assert {state for state, event in TABLE if event is Event.INTERRUPTED} == set(State) - set(OUTCOMES)


@pytest.mark.parametrize(("state", "event"), [(s, e) for s in State for e in Event if (s, e) not in TABLE], ids=str)
def test_what_is_not_in_the_table_cannot_happen(state: State, event: Event) -> None:
    with pytest.raises(ImpossibleError, match="this is a bug"):
        advance(state, event)


@pytest.mark.parametrize(("state", "event"), list(TABLE), ids=str)
def test_what_is_in_the_table_happens(state: State, event: Event) -> None:
    assert advance(state, event) is TABLE[state, event]
