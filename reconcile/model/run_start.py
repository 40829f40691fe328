"""The words of a run about itself when it begins: its actor, account, reason, state file and limits.

The first record of a run holds it, and so do the notes of runs that never held their account.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from reconcile.model.account import PositionMode

LimitsDocument = Mapping[str, object]
"""Limits by the names and in the notation of ``[policy]``; those of a state file have ``grace_ms`` and ``cold_start``.

The versions that wrote a journal may know other names and other notations, so a reader checks each value it uses.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStart:
    """Everything is None where the run did not say it: earlier versions said less.

    ``digest`` is that of the reviewed plan. ``policy`` is the one in force; ``limits`` what the state file allows
    without the ``overrides``, which are by key. ``scope`` are the globs that chose addresses, empty for all.
    ``grace_ms`` is the state file's, None for the exchange's own. ``includes`` has the hashes of the files that it
    includes, by path. ``journal_place`` is where a journal in a database has been without a gap; ``notes_head`` the
    hash of the last note beside the journal then. ``git_dirty`` is of an early version.
    """

    account: str | None = None
    actor: str | None = None
    reason: str | None = None
    tool_version: str | None = None
    git_commit: str | None = None
    git_dirty: bool | None = None
    plan_id: str | None = None
    digest: str | None = None
    exchange: str | None = None
    endpoint: str | None = None
    product: str | None = None
    credentials: str | None = None
    position_mode: PositionMode | None = None
    grace_ms: int | None = None
    state_file: str | None = None
    state_sha256: str | None = None
    includes: Mapping[str, str] | None = None
    policy: LimitsDocument | None = None
    limits: LimitsDocument | None = None
    overrides: Mapping[str, str] = field(default_factory=dict)
    scope: tuple[str, ...] = ()
    journal_place: str | None = None
    notes_head: str | None = None
