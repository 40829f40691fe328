"""Secrets that were written into a state file: recognised by their key or their look, never repeated."""

import re

_NAMES = {
    "API_KEY": re.compile(r"(?i)(?:api|access)[_-]?key(?:[_-]?id)?|key|token"),
    "API_SECRET": re.compile(r"(?i)(?:api[_-]?|secret[_-]?|private[_-]?)?(?:secret|key)(?:[_-]?key)?"),
    "PASSPHRASE": re.compile(r"(?i)(?:api[_-]?)?pass(?:phrase|word)?"),
}
_ADVICE = "secrets never go into a state file; set {} in the environment, and revoke this one at the exchange"


def secret_problem(key: str) -> str | None:
    """The error for an unknown key that names a secret; None for any other key."""
    for variable, pattern in _NAMES.items():
        if pattern.fullmatch(key):
            return _ADVICE.format(f"PREFIX_{variable} (PREFIX is the account's name in capitals, or its credentials)")
    return None


def value_problem(text: str) -> str | None:
    """The error for a value that looks like a key: long, of mixed letters and digits; None for any other."""
    if len(text) < _SHORTEST or not re.fullmatch(r"[A-Za-z0-9+/=_-]+", text):
        return None
    kinds = (r"[a-z]", r"[A-Z]", r"[0-9]")
    is_hex = re.fullmatch(r"(?=.*[0-9])[0-9a-f-]+", text) is not None
    if not is_hex and not all(re.search(kind, text) for kind in kinds):
        return None
    return "this looks like a secret: " + _ADVICE.format("the variables that this prefix begins, such as MAIN_API_KEY")


_SHORTEST = 20
"""Characters of the shortest key that an exchange gives out."""
