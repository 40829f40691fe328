"""Included files and the settings in force: the values that a state file takes over from other files."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IncludedFile:
    """A file whose limits and defaults a state file includes, by its path and the hash of its content."""

    path: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingOrigin:
    """A limit or default in force, ``policy.max_add``: its value as written, and where it stands."""

    key: str
    value: str
    file: str
    line: int
