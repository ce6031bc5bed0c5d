"""Install HandViT; everything is declared in pyproject.toml and requirements/."""

from setuptools import setup

setup()
