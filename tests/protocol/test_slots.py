"""How many steps are at work at once: twice as many are made ready as may be on the wire."""

import asyncio

from reconcile.protocol.slots import SharedSlots, Slots


def test_twice_as_many_steps_are_prepared_as_are_sent() -> None:
    shared = SharedSlots(2)
    assert [semaphore._value for semaphore in (shared.in_flight, shared.preparing)] == [2, 4]


def test_accounts_share_the_wire_and_queue_alone() -> None:
    async def main() -> None:
        shared = SharedSlots(1)
        one, two = Slots(1, shared), Slots(1, shared)
        async with one.shared.in_flight:
            assert two.shared.in_flight.locked()
        async with one.queued, one.queued:
            assert one.queued.locked()
            assert not two.queued.locked()

    asyncio.run(main())


def test_an_account_alone_has_a_wire_of_its_own() -> None:
    assert Slots(3).shared is not Slots(3).shared
