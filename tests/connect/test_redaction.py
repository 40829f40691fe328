"""An account's own secrets never come in with what others wrote, however the text hides them; all else stays."""

import json
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconcile.connect.redaction import Redactor

SECRETS = (
    "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    "1f9a2c37-77aa-4b1e-9a55-0c6f2d5e8b90",
    'P@ss w0rd!/"x9',
    "Kurz1",
    "Schlüssel+42",
)
NOTATIONS: dict[str, Callable[[str], str]] = {
    "raw": str,
    "upper": str.upper,
    "swapped": str.swapcase,
    "url": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "every byte": lambda text: "".join(f"%{byte:02x}" for byte in text.encode()),
    "json": lambda text: json.dumps(text)[1:-1],
    "every letter": lambda text: "".join(f"\\u{ord(letter):04x}" for letter in text),
    "base64": lambda text: b64encode(text.encode()).decode(),
    "base64 behind 1": lambda text: b64encode(b"k" + text.encode() + b":").decode(),
    "base64 behind 2": lambda text: b64encode(b"k:" + text.encode() + b"::").decode(),
    "base64 for URLs": lambda text: urlsafe_b64encode(text.encode()).decode(),
}
AROUND = st.text(max_size=20)


def runs(secret: str) -> set[str]:
    """The shortest parts of a secret that must not be left."""
    size = max(8, len(secret) // 2) if len(secret) >= 8 else len(secret)
    return {secret[at : at + size].lower() for at in range(len(secret) - size + 1)}


@pytest.mark.parametrize("notation", NOTATIONS.values(), ids=NOTATIONS)
@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_is_taken_out_in_every_notation(secret: str, notation: Callable[[str], str]) -> None:
    hidden = notation(secret)
    shown = Redactor(SECRETS).text(f"sign <{hidden}> refused")
    assert "[secret]" in shown
    assert shown.startswith("sign <")
    assert shown.endswith("> refused")
    assert not any(hidden.lower()[at : at + 8] in shown.lower() for at in range(max(1, len(hidden) - 7)))


@given(secret=st.sampled_from(SECRETS), before=AROUND, after=AROUND, cut=st.integers(0, 64), size=st.integers(1, 64))
def test_no_half_of_a_secret_is_left(secret: str, before: str, after: str, cut: int, size: int) -> None:
    shown = Redactor([secret]).text(before + secret[cut : cut + size] + after)
    assert not any(run in shown.lower() for run in runs(secret) if run not in "[secret]")


@given(st.text())
def test_text_without_a_secret_stays_as_it_is(text: str) -> None:
    assert Redactor(SECRETS[:3]).text(text) == text


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_a_body_without_a_secret_says_what_it_said(value: object) -> None:
    for body in (json.dumps(value).encode(), json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")):
        assert json.loads(Redactor(SECRETS).body(body)) == json.loads(body)


@pytest.mark.parametrize("notation", [str, str.upper, NOTATIONS["every letter"], NOTATIONS["base64"]])
def test_a_body_loses_the_secrets_of_its_texts_and_keeps_its_numbers(notation: Callable[[str], str]) -> None:
    hidden = notation("vmPUZE6mv9SD5VNHk4HlWFsO")
    if "\\" not in hidden:
        hidden = json.dumps(hidden)[1:-1]
    body = f'{{"msg":"bad {hidden}","{hidden}":1e5,"amount":"12.50","n":[1.10,-3]}}'
    redacted = Redactor(["vmPUZE6mv9SD5VNHk4HlWFsO"]).body(body.encode()).decode()
    assert "vmpuze6m" not in redacted.lower()
    assert redacted.endswith('1e5,"amount":"12.50","n":[1.10,-3]}')


def test_digits_of_a_secret_inside_an_amount_change_no_amount() -> None:
    body = b'{"amount":"112345678.5","time":1712345678000,"id":"12345678"}'
    assert Redactor(["12345678"]).body(body) == b'{"amount":"112345678.5","time":1712345678000,"id":"[secret]"}'
