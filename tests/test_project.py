"""What keeps the project in shape: layers, read keys, files and the README."""

import ast
import re
import subprocess

import pytest
import yaml

from tests.conftest import ROOT
from timesformer.config.keys import KEYS
from timesformer.config.shipped import recipe_names

PACKAGE = ROOT / "timesformer"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = [  # a room imports from itself and from those above it in this list
    "errors",
    "lazy",
    "io",
    "files",
    "tables",
    "config",
    "video",
    "models",
    "runtime",
    "datasets",
    "checkpoint",
    "visualize",
    "evaluation",
    "engine",
    "inference",
    "features",
    "detection",
    "cli",
]
# The published import path `timesformer.models.vit.TimeSformer` loads weights in its constructor.
MAY_LOOK_UP = {"models/vit.py"}


def room(module):
    return module.split(".")[1] if module.startswith("timesformer.") else None


def imported(path):
    """The modules of the package that a file imports, by any form of import, anywhere in it."""
    own = list(path.relative_to(ROOT).with_suffix("").parts)
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = own[: -node.level] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            yield base
            yield from (
                f"{base}.{alias.name}" for alias in node.names if is_module(base, alias.name)
            )
        elif isinstance(node, ast.Call) and "import_module" in ast.unparse(node.func):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant))


def is_module(package, name):
    path = ROOT.joinpath(*package.split("."), name)
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_every_room_is_in_the_list():
    names = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").is_file()}
    files = {p.stem for p in PACKAGE.glob("[!_]*.py")}
    assert names | files == set(ROOMS)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_import_from_above(path):
    name = path.relative_to(PACKAGE)
    own = name.with_suffix("").parts[0]
    if own.startswith("__") or str(name) in MAY_LOOK_UP:
        return
    for module in imported(path):
        if room(module) in ROOMS:
            assert ROOMS.index(room(module)) <= ROOMS.index(own), f"{name} imports {module}"


def test_pictures_and_pages_know_no_configuration():
    for path in (PACKAGE / "visualize").glob("*.py"):
        assert "config" not in {room(module) for module in imported(path)}, path


@pytest.mark.parametrize(
    "line",
    [
        "import timesformer.engine.train",
        "from timesformer import engine",
        "from timesformer.engine import train",
        "from ..engine.train import train",
        "def f():\n    from timesformer.engine.train import train",
        "importlib.import_module('timesformer.engine')",
    ],
)
def test_no_form_of_import_is_overlooked(line, tmp_path, monkeypatch):
    monkeypatch.setattr("tests.test_project.ROOT", tmp_path)
    path = tmp_path / "timesformer/video/file.py"
    (tmp_path / "timesformer/engine").mkdir(parents=True)
    (tmp_path / "timesformer/engine/__init__.py").write_text("")
    path.parent.mkdir()
    path.write_text(line)
    assert "engine" in {room(module) for module in imported(path)}


def test_every_key_is_read_somewhere():
    readers = [p for p in MODULES if "config" not in p.parts or p.stem == "batch_sizes"]
    text = "\n".join(p.read_text() for p in readers)
    for key in KEYS:
        name = key.split(".")[-1]
        if key == "MODEL.ARCH":  # has one value, and is read for that alone
            continue
        assert re.search(rf"[.\"]{name}\b", text), f"{key} is read nowhere"


def test_no_module_is_a_drawer():
    names = {path.stem for path in MODULES}
    assert not names & {"utils", "misc", "helpers", "common"}


def test_files_stay_readable():
    for path in MODULES:
        assert len(path.read_text().splitlines()) <= 300, path


def test_every_module_has_a_test():
    tested = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for path in MODULES:
        module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        package, _, name = module.rpartition(".")
        if path.name != "__init__.py":
            used = rf"{module}\b|from {package} import [^\n]*\b{name}\b"
            mirrored = ROOT / "tests" / path.relative_to(PACKAGE).with_name(f"test_{path.name}")
            assert re.search(used, tested) or mirrored.exists(), module


def tracked(pattern):
    listed = subprocess.run(
        ["git", "ls-files", pattern], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return listed.stdout.split()


def test_the_readme_names_every_room_and_every_module_says_what_it_is():
    tree = (ROOT / "README.md").read_text().split("## The tree")[1]
    for name in ROOMS:
        assert re.search(rf"^  {name}(\.py|/)\s+\S", tree, re.MULTILINE), name
    for path in MODULES:
        assert (ast.get_docstring(ast.parse(path.read_text())) or "").strip(), path


def guides():
    """The text of the README and of the guides."""
    return "\n".join(path.read_text() for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")))


def test_every_link_of_the_guides_leads_somewhere():
    for path in (ROOT / "README.md", *ROOT.glob("docs/*.md")):
        for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
            file, _, anchor = link.partition("#")
            if "://" in link:
                continue
            target = path.parent / file if file else path
            assert target.exists(), (path, link)
            if anchor:
                titles = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
                known = {
                    re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles
                }
                assert anchor in known, (path, link)


def test_the_readme_leads_to_every_guide():
    readme = (ROOT / "README.md").read_text()
    for path in ROOT.glob("docs/*.md"):
        assert f"](docs/{path.name})" in readme, path


def test_every_configuration_that_the_readme_names_exists():
    readme = guides()
    named = re.findall(r"--cfg\s(?:configs/)?([A-Z]\w*[a-z]\w*/\w+)", readme)
    assert len(named) >= 5
    assert set(named) <= set(recipe_names())


def test_every_file_that_the_readme_names_exists():
    readme = guides()
    named = set(re.findall(r"`((?:timesformer|tools|tests|\w+)/[\w/*]+\.(?:py|sh))`", readme))
    assert len(named) >= 10
    for name in named:
        assert [*ROOT.glob(name), *PACKAGE.glob(name)], name


def test_the_readme_names_every_dependency():
    readme = (ROOT / "README.md").read_text().split("## Packages")[1]
    text = (ROOT / "pyproject.toml").read_text().split("dependencies = [")[1].split("]")[0]
    aliases = {"opencv-python-headless": "opencv", "pyyaml": "yacs"}
    for name in re.findall(r'"([A-Za-z0-9-]+)', text):
        assert aliases.get(name.lower(), name) in readme, name


def test_no_password_is_anywhere():
    text = (ROOT / "Dockerfile").read_text()
    assert "USER timesformer" in text
    assert not re.search(r"PASSWORD|passwd|token=", text)


def test_every_yaml_file_is_small():
    for path in ROOT.glob("configs/**/*.yaml"):
        assert yaml.safe_load(path.read_text())
        assert len(path.read_text().splitlines()) <= 60, path
