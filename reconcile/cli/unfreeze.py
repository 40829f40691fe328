"""``reconcile unfreeze``, which is written beside ``freeze``."""

from reconcile.cli.freeze import unfreeze

__all__ = ["unfreeze"]
