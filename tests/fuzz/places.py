"""``--journal`` URLs: whatever a password looks like, and however it is not encoded, no message may hold any of it."""

from random import Random
from urllib.parse import quote

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from reconcile.journal.postgres.url import place_of
from tests.fuzz.harness import Target
from tests.fuzz.mutators import TOKENS

FRONT, BACK = "Fr0ntOfThePassw0rd", "Back0fThePassw0rd"
"""The password's two ends; anything may stand between them."""
_SHAPES = (
    "postgresql://user:{p}@db.example:5432/audit",
    "postgresql://user:{p}@db.example/audit?sslmode=verify-full",
    "postgres://user:{p}@one.example,two.example/audit",
    "postgresql://user:{p}@[::1]:5432/audit",
    "postgresql://user:{p}@/audit?host=/run/postgresql",
    "postgresql://db.example/audit?user=user&password={p}",
    "postgresql://db.example/audit?password={p}&sslmode=require",
    "postgresql://user@db.example/audit?sslpassword={p}",
    "postgresql:user:{p}@db.example/audit",
    "user:{p}@db.example/audit",
    "host=db.example password={p} dbname=audit",
)
_MIDDLES = (*(token.decode("utf-8", "surrogateescape") for token in TOKENS), "%", "%4", "%zz", "ü", "\udcff", "")


def tell(data: bytes) -> list[str]:
    """Read a URL; everything that may be said of it."""
    place = place_of(data.decode("utf-8", "surrogateescape"))
    error = f"connection to server failed for {place.url}"
    return [place.shown, repr(place), place.hide(error)]


def url(shape: str, middle: str, *, encoded: bool) -> bytes:
    """A URL with a password in it."""
    password = FRONT + middle + BACK
    if encoded:
        password = quote(password.encode("utf-8", "surrogatepass"), safe="")
    return shape.format(p=password).encode("utf-8", "surrogatepass")


def _generate(random: Random) -> bytes:
    middle = "".join(random.choice(_MIDDLES) for _ in range(random.randrange(4)))
    return url(random.choice(_SHAPES), middle, encoded=random.random() < 0.3)


def _strategy() -> SearchStrategy[bytes]:
    middle = st.lists(st.sampled_from(_MIDDLES), max_size=3).map("".join) | st.text(max_size=6)
    return st.builds(url, st.sampled_from(_SHAPES), middle, encoded=st.booleans())


URLS = Target(
    name="journal-urls",
    about="--journal URLs with passwords of every form",
    run=tell,
    generate=_generate,
    strategy=_strategy,
    secrets=(FRONT, BACK),
)
