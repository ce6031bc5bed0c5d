"""Declare variants of one config: what differs between them, and nothing else does.

A config declares them beside what the Runner reads::

    ablation = dict(
        axes=dict(
            embedding=dict(
                key="model.neck",
                metric="mpjpe_cam",  # that its rows are judged by
                options=dict(none=dict(type="NoPerspInfo"), ...),
            ),
            ...
        ),
        default=dict(embedding="ca", ...),  # an option of every axis
        variants=[dict(embedding="none"), ...],  # rows besides the default: what is different
    )
"""

import copy
import hashlib
import inspect
import json
from collections.abc import Iterable, Mapping
from functools import reduce
from operator import getitem
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.runner import Runner

DEFAULT = "default"
_RUNNER_KEYS = {*inspect.signature(Runner.__init__).parameters, "runner_type"} - {"self", "cfg"}
#: They say where results go and how much is told of them, not what they are.
_WITHOUT_EFFECT = {"work_dir", "log_level", "log_processor", "visualizer"}


class Axis(NamedTuple):
    """Name a place in a config and the blocks that can stand there."""

    key: str  # such as ``model.neck``
    metric: str  # that shows what the blocks are worth
    options: dict[str, Any]  # name -> config block


class Variant(NamedTuple):
    """Choose one option of each axis."""

    name: str  # "default", or the options that differ from it
    choice: dict[str, str]  # axis -> option


class Ablation(NamedTuple):
    """Hold the axes and the rows of a table."""

    axes: dict[str, Axis]
    variants: dict[str, Variant]  # by name; the default comes first

    @classmethod
    def parse(cls, axes: Mapping, default: Mapping, variants: Iterable[Mapping]) -> "Ablation":
        """Read what a config declares; it has the parameters' names.

        Raises:
            ValueError: an axis or option is unknown, ambiguous or missing, or a row occurs twice.
        """
        axes = {
            name: Axis(axis["key"], axis["metric"], dict(axis["options"]))
            for name, axis in axes.items()
        }
        _check_options(axes)
        if default.keys() != axes.keys():
            raise ValueError(
                f"ablation.default: chooses for {sorted(default)}; the axes are {sorted(axes)}"
            )
        rows = {}
        for changes in [{}, *variants]:
            row = _variant(axes, default, changes)
            if row.name in rows:
                raise ValueError(f"ablation.variants: {row.name!r} occurs twice")
            rows[row.name] = row
        return cls(axes, rows)

    def select(self, names: Iterable[str]) -> "Ablation":
        """Keep some variants, and the default to compare them with.

        Raises:
            ValueError: there is no variant of this name.
        """
        unknown = [name for name in names if name not in self.variants]
        if unknown:
            raise ValueError(f"variants {unknown} are unknown; choose from {list(self.variants)}")
        kept = {DEFAULT, *names}
        return self._replace(
            variants={name: row for name, row in self.variants.items() if name in kept}
        )

    def rows_by_metric(self) -> dict[str, list[str]]:
        """Group the rows besides the default by what is said to show them, and by nothing else.

        A row that differs on several axes stands under the metric of each.
        """
        default = self.variants[DEFAULT].choice
        rows: dict[str, list[str]] = {axis.metric: [] for axis in self.axes.values()}
        for row in self.variants.values():
            changed = [
                axis for name, axis in self.axes.items() if row.choice[name] != default[name]
            ]
            for metric in dict.fromkeys(axis.metric for axis in changed):
                rows[metric].append(row.name)
        return rows

    def refuse_replaced(self, keys: Iterable[str]) -> None:
        """Refuse to change what every variant replaces, as that would change nothing.

        Args:
            keys: of ``--cfg-options``.

        Raises:
            ValueError: names the key that has an effect.
        """
        default = self.variants[DEFAULT].choice
        for key in keys:
            for name, axis in self.axes.items():
                if f"{key}.".startswith(f"{axis.key}."):
                    option = f"ablation.axes.{name}.options.{default[name]}"
                    raise ValueError(
                        f"--cfg-options {key}: every variant replaces {axis.key}; the default's"
                        f" is {option}, so change {option}{key[len(axis.key) :]}"
                    )

    def config(self, base: Config, variant: Variant) -> Config:
        """Return the variant's config: the Runner's part of ``base`` with the blocks it chose.

        Raises:
            ValueError: ``base`` has no place for a block.
        """
        cfg = Config({k: copy.deepcopy(v) for k, v in base.items() if k in _RUNNER_KEYS})
        for name, option in variant.choice.items():
            key, _, options = self.axes[name]
            *parents, last = key.split(".")
            try:
                parent = reduce(getitem, parents, cfg)
                parent[last]  # a block must have stood there
            except KeyError as error:
                raise ValueError(f"ablation.axes.{name}.key: the config has no {key}") from error
            parent[last] = copy.deepcopy(options[option])
        return cfg


def config_digest(cfg: Config, data: Mapping[str, Any]) -> str:
    """Name a result by all that it follows from: a variant's config, and what its data is."""
    content = {key: value for key, value in cfg.to_dict().items() if key not in _WITHOUT_EFFECT}
    text = json.dumps([content, data], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _variant(axes: Mapping[str, Axis], default: Mapping, changes: Mapping) -> Variant:
    choice = {name: {**default, **changes}[name] for name in axes}
    unknown = [name for name in changes if name not in axes]
    unknown += [option for name, option in choice.items() if option not in axes[name].options]
    if unknown:
        known = {name: list(axis.options) for name, axis in axes.items()}
        raise ValueError(f"ablation.variants: {unknown} in {dict(changes)}; there are {known}")
    different = [option for name, option in choice.items() if option != default[name]]
    return Variant("+".join(different) or DEFAULT, choice)


def _check_options(axes: Mapping[str, Axis]) -> None:
    """Refuse an option name that two axes have: rows are named by their options alone."""
    names = [option for axis in axes.values() for option in axis.options]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"ablation.axes: options {twice} occur on several axes; rename them")
