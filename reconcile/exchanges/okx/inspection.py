"""Facts about a key from OKX's account configuration: its permissions, its addresses, and the account's level."""

from reconcile.exchanges.http.rows import Row
from reconcile.model.doctor import AccountInspection

_NARROW_LEVELS = {"3": "multi-currency margin", "4": "portfolio margin"}
"""Account levels at which OKX may refuse isolated margin (50072); since when, and to whom, is unconfirmed."""


def inspection(row: Row) -> AccountInspection:
    """``perm`` lists what the key may do, ``ip`` the addresses it is bound to (empty: none)."""
    level = _NARROW_LEVELS.get(row.text("acctLv"))
    notes = (
        () if level is None else (f"the account is in {level} mode, at which OKX may refuse isolated margin (50072)",)
    )
    if not row.has("perm"):
        told = "OKX's answer names no permissions of the key"
        return AccountInspection(told=told, mode_notes=notes)
    allowed = [word.strip() for word in row.text("perm").split(",")]
    return AccountInspection(
        moves_margin="trade" in allowed,
        withdraws="withdraw" in allowed,
        bound_to_addresses=row.has("ip"),
        told=f"OKX says that the key may: {', '.join(allowed)}",
        mode_notes=notes,
    )
