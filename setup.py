"""The packages, of which one is mapped; all other metadata is in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["timesformer*"]), "timesformer.configs"],
    package_dir={
        "timesformer.configs": "configs"
    },  # recipes, which timesformer.config.shipped finds
)
