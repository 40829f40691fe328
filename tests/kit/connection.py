"""The connection of a test's world to a live account: the adapter, and the identity that its journal has."""

from reconcile.exchanges.base import Writer
from reconcile.journal.identity import identity
from reconcile.model.account import DesiredAccount
from reconcile.usecases.world import Connection


def live_connection(
    desired: DesiredAccount, adapter: Writer, api_key: str, *, cold_fence: bool = False
) -> Connection[Writer]:
    """A connection whose account is named by the id that the exchange reports, else by this key."""
    return Connection(
        adapter=adapter,
        identify=lambda uid: identity(
            exchange=desired.exchange, endpoint_kind="live", product=desired.product, uid=uid, api_key=api_key
        ),
        cold_fence=cold_fence,
    )
