"""Keeps ``python setup.py build develop`` working; all metadata is in pyproject.toml."""

from setuptools import setup

setup()
