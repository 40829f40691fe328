"""Saved plans: the file as it is, and with a digest that fits, so that what is behind the digest is reached."""

import json
from functools import cache
from random import Random

from reconcile.render.common.json import digest_of, dumps
from reconcile.render.plan import saved, text
from reconcile.render.plan.github import plan_annotations
from reconcile.render.plan.json import plan_document
from reconcile.render.plan.markdown import plan_markdown
from reconcile.render.plan.text import plan_text
from tests.fuzz import strategies
from tests.fuzz.harness import Target, compact
from tests.fuzz.mutators import Tree, damaged
from tests.kit import documents_sample as making


@cache
def _trees() -> tuple[Tree, ...]:
    entries = making.every_entry()
    small = making.plan(making.account(entries[:1]))
    large = making.plan(making.account(entries), overrides={"max_add": "7"})
    return tuple(Tree(json.loads(dumps(plan_document(plan)))) for plan in (small, small, large))


@cache
def _texts() -> tuple[bytes, ...]:
    return tuple(compact(tree.value) for tree in _trees())


def read(data: bytes) -> list[str]:
    """Read a plan back, and show it in every form."""
    try:
        content = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return []
    plan = saved.loads_plan(content).plan
    written = dumps(plan_document(plan))
    return [written, plan_text(plan, color=False), text.question(plan), plan_markdown(plan), plan_annotations(plan)]


def read_sealed(data: bytes) -> list[str]:
    """The same with the digest made to fit."""
    try:
        document = json.loads(data)
        if isinstance(document, dict):
            document["digest"] = digest_of(document)
    except (ValueError, RecursionError):
        return read(data)
    return read(compact(document))


def _damaged(random: Random) -> bytes:
    return damaged(random, random.choice(_texts()))


def _edited(random: Random) -> bytes:
    return compact(random.choice(_trees()).edited(random))


RAW = Target(
    name="plans",
    about="saved plans, damaged",
    run=read,
    generate=_damaged,
    strategy=lambda: strategies.damaged(_texts()),
)
SEALED = Target(
    name="plans-sealed",
    about="saved plans with other content and a digest that fits",
    run=read_sealed,
    generate=_edited,
    strategy=lambda: strategies.edited(_trees()),
)
