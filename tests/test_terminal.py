"""The picture of README.md is what the program prints, in a light and a dark form."""

import re
from xml.etree import ElementTree as ET

from tests.kit.cli import ROOT
from tests.terminal import PICTURE, drawn

SVG = PICTURE.read_text(encoding="utf-8")


def colours(style: str) -> set[str]:
    """The classes that a part of the style gives a colour."""
    return set(re.findall(r"(?<=[\s,])\.(\w)(?=[,\s][^}]*fill)", style))


def test_the_picture_is_current() -> None:
    assert drawn() == SVG, "run python -m tests.pictures"


def test_every_colour_has_a_light_and_a_dark_form() -> None:
    light, _, dark = SVG.partition("@media (prefers-color-scheme: dark)")
    used = {each for found in re.findall(r'class="([^"]+)"', SVG) for each in found.split()} - {"b"}
    assert used <= colours(light)
    assert used <= colours(dark.partition("</style>")[0])


def test_no_line_is_wider_than_the_picture() -> None:
    tree = ET.fromstring(SVG)  # noqa: S314 - our own file
    texts = ["".join(text.itertext()) for text in tree.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "$ reconcile plan states/demo.toml"
    assert texts[-2].startswith("DONE: 3 steps applied and verified")
    assert [text for text in texts if len(text) > 80] == []


def test_the_readme_leads_with_it() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "](docs/terminal.svg)" in readme.partition("\n## ")[0]
