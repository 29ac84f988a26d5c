"""What keeps the project in shape: layers, read keys, files and the README."""

import ast
import re
import subprocess

import pytest
import yaml

from tests.conftest import ROOT
from timesformer.config import defaults

PACKAGE = ROOT / "timesformer"
MODULES = sorted(PACKAGE.rglob("*.py"))
LAYERS = [  # a module imports its own layer or a lower one
    ("tables", "errors", "files", "json_text", "spreadsheet", "terminal", "timelimit", "run_lock"),
    (
        "models",
        "video",
        "transforms",
        "metrics",
        "convert",
        "formats",
        "architecture",
        "distributed",
        "rendezvous",
        "lifesigns",
        "opening",
        "spokesman",
        "command",
        "arguments",
        "contact_sheet",
        "history",
    ),
    (
        "config",
        "batch_sizes",
        "weight_files",
        "state_search",
        "payload_contents",
        "payload_rules",
        "hub",
        "timm_hub",
        "fitting",
        "checkpoint",
        "summary",
        "run_checkpoint",
        "resuming",
        "sharded_checkpoint",
        "checkpoint_order",
        "newest_checkpoint",
        "imagenet",
        "augment",
    ),
    ("datasets", "checks", "provenance", "scoring"),
    (
        "engine",
        "inference",
        "export",
        "model_card",
        "benchmark",
        "benchmark_model",
        "benchmark_variants",
    ),
]
MAY_LOOK_UP = {"models/vit.py"}  # imports the loader inside its constructor


def layer(module):
    top = module.split(".")[1] if "." in module else module
    return next((i for i, names in enumerate(LAYERS) if top in names), None)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_layers_point_downward(path):
    name = str(path.relative_to(PACKAGE))
    own = layer("timesformer." + name.removesuffix(".py").split("/")[0])
    if own is None or name in MAY_LOOK_UP:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("timesformer."):
            assert layer(node.module) <= own, f"{name} imports {node.module}"


def flat(tree, prefix=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key


def test_every_key_is_read_somewhere():
    text = "\n".join(p.read_text() for p in MODULES if "config" not in p.parts)
    for key in flat(defaults()):
        name = key.split(".")[-1]
        if key == "MODEL.ARCH":  # has one value, and is read for that alone
            continue
        assert re.search(rf"[.\"]{name}\b", text), f"{key} is read nowhere"


def test_every_key_stands_below_a_comment():
    files = sorted((PACKAGE / "config").glob("*defaults.py"))
    lines = [line for path in files for line in path.read_text().splitlines()]
    assert len(files) == 3
    for i, line in enumerate(lines):
        if re.match(r"    cfg\.[A-Z_.]+ = (?!CfgNode)", line):
            above = i - 1
            while lines[above].startswith("    cfg."):
                above -= 1
            assert lines[above].strip().startswith("#"), line


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


def test_the_readme_names_every_file_of_the_package_and_the_tools():
    readme = (ROOT / "README.md").read_text()
    tree = readme.split("## The tree")[1]
    files = [p for p in [*MODULES, *ROOT.glob("tools/*.*")] if p.name != "__init__.py"]
    for path in files:
        assert re.search(rf"^\s+{re.escape(path.name)}\s+\S", tree, re.MULTILINE), path
    for word in re.findall(r"^\s+(\w+\.(?:py|sh))\s", tree, re.MULTILINE):
        assert any(path.name == word for path in files), f"README names {word}"


def test_every_configuration_that_the_readme_names_exists():
    readme = (ROOT / "README.md").read_text().replace("\\", "/")
    named = re.findall(r"configs/[\w/]+\.yaml", readme)
    assert len(named) >= 5
    for name in named:
        assert (ROOT / name).is_file(), name


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
