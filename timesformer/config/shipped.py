"""The configurations that ship with the package, found by a name as ``Motion/divST_6x6_32``."""

import difflib
from pathlib import Path

from timesformer.errors import ConfigError
from timesformer.io.terminal import printable

_PACKAGE = Path(__file__).resolve().parents[1]
# In a wheel they lie within the package, in a clone beside it.
RECIPES = next(
    folder for folder in (_PACKAGE / "configs", _PACKAGE.parent / "configs") if folder.is_dir()
)


def recipe_names() -> list[str]:
    """The names of all recipes, as ``Motion/divST_6x6_32``."""
    return sorted(
        path.relative_to(RECIPES).with_suffix("").as_posix() for path in RECIPES.rglob("*.yaml")
    )


def find_config(path: Path) -> Path:
    """The file that ``path`` names: itself if it exists, else the recipe of this name.

    A path into a clone, as ``configs/Motion/divST_6x6_32.yaml``, names the recipe from any folder.

    Raises:
        ConfigError: there is no such file and no such recipe; the message has the closest names.
    """
    if path.exists():
        return path
    names = recipe_names()
    name = path.as_posix().removeprefix("configs/").removesuffix(".yaml")
    if name in names:
        return RECIPES / f"{name}.yaml"
    by_case = {each.lower(): each for each in names}
    close = difflib.get_close_matches(name.lower(), by_case, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(by_case[each] for each in close)}?"
    raise ConfigError(
        f"config file {printable(path)} does not exist, and no recipe has this name; "
        + (hint if close else f"recipes are {', '.join(names)}")
    )
