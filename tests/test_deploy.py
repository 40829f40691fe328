"""The files of docs/deploy: each is well formed, runs with the least rights, and calls the program as it is."""

import configparser
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped,unused-ignore]

from tests.kit.cli import ROOT, run
from tests.release import steps
from tests.test_readme import command, options

DEPLOY = ROOT / "docs" / "deploy"
CONTAINERFILE = (DEPLOY / "Containerfile").read_text(encoding="utf-8")
MANIFESTS = sorted(path.name for path in DEPLOY.glob("*.yaml") if path.name not in {"atlantis.yaml", "compose.yaml"})
UNITS = sorted(path.name for path in DEPLOY.glob("*.service"))

_CONTAINER = {
    "type": "object",
    "required": ["name", "image", "args", "securityContext", "volumeMounts"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string", "pattern": ":[0-9]"},
        "args": {"type": "array", "items": {"type": "string"}},
        "env": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["name"],
                "oneOf": [{"required": ["value"]}, {"required": ["valueFrom"]}],
                "properties": {"name": {"type": "string"}, "value": {"type": "string"}, "valueFrom": {}},
                "additionalProperties": False,
            },
        },
        "securityContext": {
            "const": {
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
            }
        },
        "livenessProbe": {"type": "object", "required": ["exec"]},
        "volumeMounts": {"type": "array", "items": {"type": "object", "required": ["name", "mountPath"]}},
    },
}
_POD: dict[str, Any] = {
    "type": "object",
    "required": ["securityContext", "containers", "volumes", "automountServiceAccountToken"],
    "additionalProperties": False,
    "properties": {
        "automountServiceAccountToken": {"const": False},
        "restartPolicy": {"const": "Never"},
        "terminationGracePeriodSeconds": {"type": "integer"},
        "securityContext": {
            "type": "object",
            "required": ["runAsNonRoot", "runAsUser"],
            "properties": {
                "runAsNonRoot": {"const": True},
                "runAsUser": {"minimum": 1},
                "fsGroupChangePolicy": {"const": "OnRootMismatch"},
            },
        },
        "containers": {"type": "array", "minItems": 1, "items": _CONTAINER},
        "volumes": {"type": "array", "items": {"type": "object", "required": ["name"], "maxProperties": 2}},
    },
}
_TEMPLATE = {"type": "object", "required": ["spec"], "properties": {"metadata": {}, "spec": _POD}}
_JOB = {
    "type": "object",
    "required": ["template", "backoffLimit"],
    "additionalProperties": False,
    "properties": {
        "backoffLimit": {"const": 0},
        "activeDeadlineSeconds": {"type": "integer"},
        "template": {**_TEMPLATE, "properties": {"spec": {**_POD, "required": [*_POD["required"], "restartPolicy"]}}},
    },
}
SPECS: dict[str, dict[str, Any]] = {
    "batch/v1 Job": _JOB,
    "batch/v1 CronJob": {
        "type": "object",
        "required": ["schedule", "jobTemplate", "concurrencyPolicy"],
        "additionalProperties": False,
        "properties": {
            "schedule": {"type": "string", "pattern": r"^(\S+ ){4}\S+$"},
            "concurrencyPolicy": {"const": "Forbid"},
            "startingDeadlineSeconds": {"type": "integer", "minimum": 10},
            "jobTemplate": {"type": "object", "required": ["spec"], "properties": {"spec": _JOB}},
        },
    },
    "apps/v1 Deployment": {
        "type": "object",
        "required": ["replicas", "strategy", "selector", "template"],
        "additionalProperties": False,
        "properties": {
            "replicas": {"const": 1},
            "strategy": {"const": {"type": "Recreate"}},
            "selector": {"type": "object", "required": ["matchLabels"]},
            "template": _TEMPLATE,
        },
    },
    "v1 PersistentVolumeClaim": {
        "type": "object",
        "required": ["accessModes", "resources"],
        "additionalProperties": False,
        "properties": {
            "accessModes": {"items": {"enum": ["ReadWriteOnce", "ReadWriteOncePod"]}},
            "resources": {"type": "object", "required": ["requests"]},
        },
    },
}
"""What these kinds take, as far as our manifests use it; a field that is not here is a mistake until it is added."""


def documents(name: str) -> list[Any]:
    return list(yaml.safe_load_all((DEPLOY / name).read_text(encoding="utf-8")))


def pods(document: Any) -> Iterator[Any]:
    """Every pod that a document describes."""
    if isinstance(document, dict):
        if "containers" in document:
            yield document
        for value in document.values():
            yield from pods(value)


def assert_understood(words: list[str]) -> None:
    """The program has that command, and each option."""
    found, rest = command(words)
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options(found)


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_is_what_its_kind_takes(name: str) -> None:
    for document in documents(name):
        kind = f"{document['apiVersion']} {document['kind']}"
        assert document["metadata"].get("name") or document["metadata"]["generateName"]
        errors = Draft202012Validator(SPECS[kind]).iter_errors(document["spec"])
        assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_pod_mounts_what_it_has_and_calls_the_program_as_it_is(name: str) -> None:
    for pod in (pod for document in documents(name) for pod in pods(document)):
        for container in pod["containers"]:
            assert {each["name"] for each in container["volumeMounts"]} == {each["name"] for each in pod["volumes"]}
            mounts = {each["mountPath"]: each.get("readOnly", False) for each in container["volumeMounts"]}
            assert mounts == {"/states": True, "/run/keys": True, "/state": False}
            assert_understood(container["args"])


def test_the_deployment_selects_its_own_pods() -> None:
    (deployment,) = [each for each in documents("kubernetes-watch.yaml") if each["kind"] == "Deployment"]
    assert deployment["spec"]["selector"]["matchLabels"] == deployment["spec"]["template"]["metadata"]["labels"]


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_has_the_least_rights_and_calls_the_program_as_it_is(name: str) -> None:
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string((DEPLOY / name).read_text(encoding="utf-8"))
    service = unit["Service"]
    assert {service[key] for key in ("NoNewPrivileges", "ProtectHome", "PrivateTmp")} == {"yes"}
    assert (service["ProtectSystem"], service["User"], service["CapabilityBoundingSet"]) == ("strict", "reconcile", "")
    words = shlex.split(service["ExecStart"])
    assert words[0] == "/opt/reconcile/bin/reconcile"
    assert_understood(words[1:])


def test_a_timer_has_its_service() -> None:
    for timer in DEPLOY.glob("*.timer"):
        assert timer.with_suffix(".service").exists()
        assert re.search(r"^OnCalendar=\S+$", timer.read_text(encoding="utf-8"), flags=re.MULTILINE)


def test_the_composition_runs_the_image_with_the_least_rights() -> None:
    (found,) = documents("compose.yaml")
    watch = found["services"]["watch"]
    assert (watch["read_only"], watch["cap_drop"], watch["user"]) == (True, ["ALL"], "65532:65532")
    assert set(found["services"]) == {"watch", "db"}
    used = {each.split(":")[0] for service in found["services"].values() for each in service["volumes"]}
    assert {each for each in used if not each.startswith(".")} == set(found["volumes"])
    assert_understood(watch["command"])


def test_each_service_of_the_composition_gets_its_own_secrets_alone() -> None:
    (found,) = documents("compose.yaml")
    watch, db = found["services"]["watch"], found["services"]["db"]
    assert [each for each in watch["volumes"] if not each.startswith("state:")] == ["./states:/states:ro"]
    assert (watch["secrets"], db["secrets"]) == (["MAIN_API_KEY", "MAIN_API_SECRET", "pgpass"], ["db_password"])
    assert {*watch["secrets"], *db["secrets"]} == set(found["secrets"])
    assert all(each == {"file": f"./secrets/{name}"} for name, each in found["secrets"].items())
    assert watch["environment"]["RECONCILE_SECRETS"] == "/run/secrets"
    assert watch["environment"]["PGPASSFILE"] == "/run/secrets/pgpass"


@pytest.mark.parametrize("name", MANIFESTS)
def test_a_pod_has_its_home_in_a_folder_of_its_own(name: str) -> None:
    """The root of a volume that fsGroup made is writable for the group, which is refused as a home."""
    for pod in (pod for document in documents(name) for pod in pods(document)):
        (container,) = pod["containers"]
        home = {each["name"]: each.get("value") for each in container["env"]}["RECONCILE_HOME"]
        assert home == "/state/home"
        (volume,) = [each for each in pod["volumes"] if each["name"] == "state"]
        is_kept = "persistentVolumeClaim" in volume
        assert (pod["securityContext"].get("fsGroupChangePolicy") == "OnRootMismatch") is is_kept


@pytest.mark.parametrize("mode", [0o2777, 0o2775])
def test_a_home_below_such_a_volume_works_and_its_root_does_not(mode: int, tmp_path: Path) -> None:
    volume = tmp_path / "state"
    volume.mkdir()
    volume.chmod(mode)
    words = ("apply", str(ROOT / "states" / "demo.toml"), "--auto-approve")
    assert run(tmp_path, *words, "--home", str(volume)).code == 1
    assert run(tmp_path, *words, "--home", str(volume / "home")).code == 0


def test_atlantis_applies_the_plan_that_was_reviewed() -> None:
    (found,) = documents("atlantis.yaml")
    (repo,) = found["repos"]
    assert (repo["allowed_overrides"], repo["allow_custom_workflows"]) == ([], False)
    workflow = found["workflows"][repo["workflow"]]
    for stage in ("plan", "apply"):
        for step in workflow[stage]["steps"]:
            words = shlex.split(step["run"])
            assert words[0] == "reconcile"
            assert "$PLANFILE" in words
            assert_understood(words[1:])


def test_the_image_runs_as_nobody_with_one_volume_and_copies_what_is_there() -> None:
    assert re.findall(r"^VOLUME (.+)$", CONTAINERFILE, flags=re.MULTILINE) == ["/state"]
    assert re.findall(r"^USER (.+)$", CONTAINERFILE, flags=re.MULTILINE) == ["65532:65532"]
    assert re.search(r"^(?:ADD|EXPOSE) ", CONTAINERFILE, flags=re.MULTILINE) is None
    for line in re.findall(r"^COPY (?!--from)(.+)$", CONTAINERFILE, flags=re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists()
    installs = [step for step in steps(CONTAINERFILE) if "pip install" in step]
    assert ["--require-hashes" in step or "--no-index" in step for step in installs] == [True, True]
    for file in re.findall(r"-r (\S+)", " ".join(installs)):
        assert (ROOT / file).exists()


def test_every_file_is_in_the_list() -> None:
    listed = (DEPLOY / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in DEPLOY.iterdir() if path.name != "README.md" and path.name not in listed] == []
