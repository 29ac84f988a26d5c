"""The configuration stops at the doors: behind them functions take keyword arguments."""

import ast

from tests.conftest import ROOT

PACKAGE = ROOT / "timesformer"
DOORS = {  # besides functions named build_*; a whole module is one where all of it is about keys
    "engine/run.py run",
    "engine/dry_run.py dry_run",
    "engine/profiler.py profile_run",
    "engine/preflight.py",
    "engine/train.py train",
    "engine/restore.py restore",
    "engine/parallel.py parallelize",
    "engine/optim.py lr_at_epoch",
    "evaluation/test.py test",
    "datasets/build.py load_views",
    "datasets/list_source.py read_list",
    "inference/predictor.py Predictor.from_checkpoint",
}


def is_door(file, function):
    """Whether a function, or one around it, may read keys."""
    is_builder = any(name.startswith("build_") for name in function.split("."))
    name = f"{file} {function}."
    return is_builder or file in DOORS or any(name.startswith(f"{door}.") for door in DOORS)


def reads(node):
    """Whether a node reads a key: ``cfg.KEY``, ``cfg["KEY"]``, also of ``self.cfg``.

    Or takes a section under another name, ``solver: CfgNode``.
    """
    if isinstance(node, ast.arg):
        hint = node.annotation
        return node.arg != "cfg" and hint is not None and "CfgNode" in ast.unparse(hint)
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("value_of", "getattr"):
        return is_configuration(node.args[0])
    if isinstance(node, ast.Subscript):
        return is_configuration(node.value)
    return isinstance(node, ast.Attribute) and node.attr.isupper() and is_configuration(node.value)


def is_configuration(node):
    """Whether an expression is a configuration or a section of one."""
    if isinstance(node, ast.Name):
        return node.id == "cfg"
    if isinstance(node, ast.Attribute) and node.attr in ("cfg", "_cfg"):
        return True
    return reads(node)


def readers(tree, around=""):
    """The functions of a module that read keys, as ``Class.method``, "" for the module itself."""
    for node in ast.iter_child_nodes(tree):
        if reads(node):
            yield around
        named = isinstance(node, ast.FunctionDef | ast.ClassDef)
        yield from readers(node, f"{around}.{node.name}".lstrip(".") if named else around)


def offenders():
    """``engine/optim.py build_optimizer`` for each function that reads keys and is not a door."""
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).as_posix()
        if not name.startswith("config/"):
            found = set(readers(ast.parse(path.read_text(encoding="utf-8"))))
            yield from (
                f"{name} {function}" for function in sorted(found) if not is_door(name, function)
            )


def test_only_doors_read_the_configuration():
    found = list(offenders())
    assert not found, f"pass values instead of cfg, or read it in a function build_*: {found}"


def test_the_library_of_configurations_is_imported_in_one_room():
    """And only by packages that the project requires: fvcore's configuration is not one of them."""
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert "fvcore" not in text, path
        assert "yacs" not in text or path.parent.name == "config", path


def test_every_door_exists():
    for door in DOORS:
        file, _, function = door.partition(" ")
        text = (PACKAGE / file).read_text(encoding="utf-8")
        assert not function or f"def {function.split('.')[-1]}(" in text, door


def test_every_form_of_reading_is_found():
    forms = "cfg.A.B", "cfg.A", "self.cfg.A", "self._cfg.A.B", 'cfg["A"].B', "cfg[name]", "x.cfg.A"
    forms = *forms, "value_of(cfg, name)", "getattr(self.cfg, name)"
    for form in forms:
        assert set(readers(ast.parse(f"class C:\n  def f(cfg, self): return {form}"))) == {"C.f"}
    for other in ("cfg.dump()", "f(cfg)", "CFG.A", "config.A", "self.cfg"):
        assert not set(readers(ast.parse(f"def f(cfg): {other}")))
    assert set(readers(ast.parse("def f(solver: CfgNode): g(solver)"))) == {"f"}
    assert is_door("engine/train.py", "train.inner")
    assert is_door("models/vit.py", "build_model.inner")
    assert is_door("engine/preflight.py", "anything")
    assert not is_door("models/vit.py", "train")
    assert not is_door("engine/train.py", "train_epoch")
