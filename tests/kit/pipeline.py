"""Runs the workflows of a document as a CI system would: each job's shell steps in order, outputs and artifacts kept.

What a step only *uses* (checking out, uploading) is done here by hand; programs of the forge are stand-ins on the PATH
that write down what they were called with. Nothing leaves the machine.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.kit.cli import ROOT

_BLOCK = re.compile(r"<!-- file: (?P<file>\S+) -->\n```yaml\n(?P<text>.*?)```", re.DOTALL)
_EXPRESSION = re.compile(r"\$\{\{\s*(.*?)\s*\}\}")
SECONDS = 120


def workflows(document: Path) -> dict[str, Any]:
    """Every workflow that a document shows as a file, parsed."""
    return {name: yaml.safe_load(text) for name, text in sources(document).items()}


def sources(document: Path) -> dict[str, str]:
    """Every workflow that a document shows as a file, as it is written."""
    text = document.read_text(encoding="utf-8")
    return {match["file"]: match["text"] for match in _BLOCK.finditer(text)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """How one shell step ended."""

    name: str
    code: int
    out: str


@dataclass(slots=True, kw_only=True)
class Job:
    """How one job ended: ``code`` is its first failed step's, 0 where none failed."""

    steps: list[Step] = field(default_factory=list)
    outputs: dict[str, str] = field(default_factory=dict)
    summary: str = ""

    @property
    def code(self) -> int:
        return next((step.code for step in self.steps if step.code), 0)

    @property
    def out(self) -> str:
        return "\n".join(step.out for step in self.steps)


class Runner:
    """Runs jobs: ``home`` is the journal's place on the persistent runner, ``bin`` holds the stand-ins.

    A job that names no ``RECONCILE_HOME`` is on a runner that is thrown away: it has a home of its own, in which the
    simulated exchange is the same, and no journal. ``homes`` are all of those.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "lib"
        self.calls = folder / "calls.txt"
        self.artifacts: dict[str, bytes] = {}
        self.homes: list[Path] = []
        self._bin = folder / "bin"
        self._bin.mkdir(parents=True)
        self._jobs = 0
        program = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m reconcile "$@"\n'
        self._tool("reconcile", program)
        for name in ("gh", "curl", "pip"):
            self._tool(name, f'#!/bin/sh\necho "{name} $*" >> "{self.calls}"\n')

    def _tool(self, name: str, text: str) -> None:
        path = self._bin / name
        path.write_text(text)
        path.chmod(0o755)

    def environment(self, extra: Mapping[str, str]) -> dict[str, str]:
        """What a step finds; of the machine's own environment only the PATH behind the stand-ins."""
        return {
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "CI": "true",
            **extra,
        }

    def home_of(self, job: Mapping[str, Any]) -> Path:
        """The home that a job finds."""
        if "RECONCILE_HOME" in {**job.get("env", {}), **job.get("variables", {})}:
            return self.home
        (self.home / "sandbox").mkdir(mode=0o700, parents=True, exist_ok=True)
        home = self.folder / f"thrown-away{len(self.homes)}"
        home.mkdir(mode=0o700)
        (home / "sandbox").symlink_to(self.home / "sandbox")
        self.homes.append(home)
        return home

    def github(
        self, job: Mapping[str, Any], repository: Path, *, facts: Mapping[str, str], actor: str = "reviewer"
    ) -> Job:
        """One job of a GitHub workflow in a checkout; ``facts`` are what its expressions may name."""
        self._jobs += 1
        place = self.folder / f"job{self._jobs}"
        place.mkdir()
        known = {**facts, "runner.temp": str(place)}
        given = {"RUNNER_TEMP": str(place), "GITHUB_ACTOR": actor, **_text(job.get("env", {}), known)}
        given["RECONCILE_HOME"] = str(self.home_of(job))
        summary, done = place / "summary.md", Job()
        for step in job["steps"]:
            if (done.code and "always()" not in str(step.get("if", ""))) or self._used(step, known):
                continue
            output, exported = place / "output", place / "env"
            output.write_text("")
            exported.write_text("")
            files = {
                "GITHUB_OUTPUT": str(output),
                "GITHUB_ENV": str(exported),
                "GITHUB_STEP_SUMMARY": str(summary),
            }
            env = self.environment({**given, **_text(step.get("env", {}), known), **files})
            ended = _shell(_filled(step["run"], known), repository, env)
            done.steps.append(Step(name=step["name"], code=ended.returncode, out=ended.stdout))
            given |= _pairs(exported)
            known |= {f"steps.{step.get('id')}.outputs.{key}": value for key, value in _pairs(output).items()}
        done.outputs = _text(job.get("outputs", {}), known)
        done.summary = summary.read_text() if summary.exists() else ""
        return done

    def _used(self, step: Mapping[str, Any], known: Mapping[str, str]) -> bool:
        """Do what a step only uses; whether it was such a step."""
        used = step.get("uses", "")
        words = _text(step.get("with", {}), known)
        if used.startswith("actions/upload-artifact"):
            path = Path(words["path"])
            if path.exists():
                self.artifacts[words["name"]] = path.read_bytes()
        elif used.startswith("actions/download-artifact"):
            place = Path(words["path"])
            place.mkdir()
            (place / "plan.json").write_bytes(self.artifacts[words["name"]])
        return bool(used)

    def gitlab(self, pipeline: Mapping[str, Any], name: str, repository: Path, *, facts: Mapping[str, str]) -> Job:
        """One job of a GitLab pipeline in a checkout, with the artifacts of the jobs it needs."""
        job, done = pipeline[name], Job()
        shared = {**_text(job.get("variables", {}), {}), "RECONCILE_HOME": str(self.home_of(job))}
        env = self.environment({**shared, **facts, **_dotenv(self.artifacts, job)})
        for needed in job.get("needs", []):
            for path in pipeline[needed]["artifacts"]["paths"]:
                (repository / path).parent.mkdir(exist_ok=True)
                (repository / path).write_bytes(self.artifacts[f"{needed}:{path}"])
        for line in [*pipeline["default"]["before_script"], *job["script"]]:
            if done.code:
                break
            ended = _shell(line, repository, env)
            done.steps.append(Step(name=line, code=ended.returncode, out=ended.stdout))
        kept = job.get("artifacts", {})
        for path in [*kept.get("paths", []), *filter(None, [kept.get("reports", {}).get("dotenv")])]:
            self.artifacts[f"{name}:{path}"] = (repository / path).read_bytes()
        return done

    def called(self) -> list[str]:
        """What the stand-ins were called with."""
        return self.calls.read_text().splitlines() if self.calls.exists() else []


def git(place: Path, *words: str) -> str:
    """One git command, as a person nobody configured."""
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_AUTHOR_NAME": "A Trader",
        "GIT_AUTHOR_EMAIL": "trader@example.com",
        "GIT_COMMITTER_NAME": "A Trader",
        "GIT_COMMITTER_EMAIL": "trader@example.com",
    }
    program = shutil.which("git") or "git"
    done = subprocess.run([program, *words], cwd=place, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _shell(text: str, place: Path, env: Mapping[str, str]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", text],
        cwd=place,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _filled(text: str, known: Mapping[str, str]) -> str:
    """The text with its expressions replaced, an output that no step wrote by nothing; raises KeyError for others."""
    return _EXPRESSION.sub(lambda match: known.get(match[1], "") if _is_output(match[1]) else known[match[1]], text)


def _is_output(name: str) -> bool:
    return name.startswith("steps.")


def _text(values: Mapping[str, object], known: Mapping[str, str]) -> dict[str, str]:
    return {key: _filled(str(value), known) for key, value in values.items()}


def _pairs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def _dotenv(artifacts: Mapping[str, bytes], job: Mapping[str, Any]) -> dict[str, str]:
    lines = [artifacts[f"{name}:margin-plan/plan.env"].decode() for name in job.get("needs", [])]
    return dict(line.split("=", 1) for text in lines for line in text.splitlines())
