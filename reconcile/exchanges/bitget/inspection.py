"""Facts about a key from Bitget's account information in the spot section.

It lists ``authorities``, words that no page explains, so the rights of the key stay unknown. ``ips`` are the addresses
that the key is bound to.
"""

from collections.abc import Awaitable, Callable

from reconcile.errors import ReadFailed, RefusalKind
from reconcile.exchanges.bitget.dialect import INFO
from reconcile.exchanges.http.rows import Row
from reconcile.exchanges.http.transport import Params
from reconcile.model.doctor import AccountInspection


async def information(read: Callable[[str, Params], Awaitable[object]]) -> Row | None:
    """The account's information; None for a key that may not read it. Raises ReadFailed."""
    try:
        return Row(f"reading {INFO}", await read(INFO, {}))
    except ReadFailed as error:
        if error.kind is not RefusalKind.PERMISSION:
            raise
        return None


def inspection(found: Row | None) -> AccountInspection:
    """From the information; None for a key that may not read it."""
    if found is None:
        return AccountInspection(
            told="the key may not read the account's information, which alone tells anything of it"
        )
    words = ", ".join(found.texts("authorities")) if found.has("authorities") else "none"
    return AccountInspection(
        bound_to_addresses=found.has("ips"),
        told=f"Bitget lists the key's authorities ({words}) and documents none of these words",
    )
