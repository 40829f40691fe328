"""The edits of ``mutators.py`` as Hypothesis strategies: fewer inputs, but values of any form, and shrunk by it."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from tests.fuzz.harness import compact
from tests.fuzz.mutators import EDITS, TOKENS, VALUES, Tree, edit

_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON_VALUES: SearchStrategy[Any] = st.sampled_from(VALUES) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)


def edited_values(trees: Sequence[Tree]) -> SearchStrategy[Any]:
    """One of the values, with one to four edits of what it says."""
    return st.sampled_from(trees).flatmap(_edited)


def _edited(tree: Tree) -> SearchStrategy[Any]:
    one = st.tuples(st.sampled_from(tree.paths), st.integers(0, EDITS - 1), JSON_VALUES)
    return st.lists(one, min_size=1, max_size=4).map(partial(_apply, tree))


def _apply(tree: Tree, edits: Sequence[tuple[Any, int, Any]]) -> Any:
    value = tree.value
    for path, kind, new in edits:
        value = edit(value, path, kind, new)
    return value


def edited(trees: Sequence[Tree]) -> SearchStrategy[bytes]:
    """The same as JSON text."""
    return edited_values(trees).map(compact)


def damaged(documents: Sequence[bytes]) -> SearchStrategy[bytes]:
    """One of the documents with a few pieces of it replaced, or any bytes at all."""
    piece = st.sampled_from(TOKENS) | st.binary(max_size=12)
    cut = st.tuples(st.floats(0, 1), st.integers(0, 40), piece)
    return st.builds(_cut, st.sampled_from(documents), st.lists(cut, max_size=4)) | st.binary(max_size=200)


def _cut(document: bytes, cuts: Sequence[tuple[float, int, bytes]]) -> bytes:
    for share, length, piece in cuts:
        at = int(share * len(document))
        document = document[:at] + piece + document[at + length :]
    return document
