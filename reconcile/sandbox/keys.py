"""The simulated exchange's demo keys: the same for the same account, worth nothing anywhere else, and known as such.

Secret and passphrase follow from the key, so that whoever holds all three can tell them from an exchange's real ones.
"""

import hashlib
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoKeys:
    """The keys of one simulated account; the passphrase is used on OKX and Bitget."""

    key: str = field(repr=False)
    secret: str = field(repr=False)
    passphrase: str = field(repr=False)


def demo_keys(exchange: str, account: str) -> DemoKeys:
    """The keys of a simulated account."""
    return _of(_hash(f"{exchange} {account} key"))


def are_demo_keys(key: str, secret: str, passphrase: str | None) -> bool:
    """Whether these are a simulated account's keys, all of them; ``passphrase`` None where the exchange has none."""
    demo = _of(key)
    return secret == demo.secret and passphrase in {None, demo.passphrase}


def _of(key: str) -> DemoKeys:
    return DemoKeys(key=key, secret=_hash(f"secret of {key}"), passphrase=_hash(f"passphrase of {key}")[:16])


def _hash(text: str) -> str:
    return hashlib.sha256(f"reconcile sandbox {text}".encode()).hexdigest()
