"""Lay out variants of a model as one table that says which differences are real."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from handvit.evaluation.bootstrap import (
    Interval,
    SeedNoise,
    bootstrap_difference,
    bootstrap_mean,
)
from handvit.evaluation.depth_bins import DepthBins, bin_by_depth
from handvit.evaluation.functional import keypoint_errors
from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.summary import MILLIMETRES, summarize
from handvit.evaluation.table import MISSING

MAX_DEPTH_BINS = 4
_METRICS = ("root_error", "mpjpe_rel", "pa_mpjpe")


class MeasuredVariant(NamedTuple):
    """Hold what the trainings of one variant, one a seed, do on the test hands."""

    metrics: dict[str, float]  # as ``summarize`` returns them, averaged over seeds
    depth_bins: DepthBins  # averaged over seeds
    errors: np.ndarray  # (S, N) metres, of the keypoints in camera space, by seed and hand

    @classmethod
    def measure(cls, predictions: Sequence[np.ndarray], truth: GroundTruth) -> "MeasuredVariant":
        """Measure S predictions (N, 21, 3) metres, in the order of ``truth``.

        Raises:
            ValueError: a test hand lacks a keypoint or a real camera, so hands do not weigh alike.
        """
        if not (truth.keypoints_cam_valid.all() and truth.camera_valid.all()):
            raise ValueError("an ablation needs test hands with a real camera and all 21 keypoints")
        summaries = [summarize(pred, truth) for pred in predictions]
        bins = [bin_by_depth(pred, truth, max_bins=MAX_DEPTH_BINS) for pred in predictions]
        gt = torch.as_tensor(truth.keypoints_cam)
        errors = [keypoint_errors(torch.as_tensor(pred), gt).mean(dim=-1) for pred in predictions]
        return cls(
            metrics={name: _mean(row[name] for row in summaries) for name in summaries[0]},
            depth_bins=DepthBins(*(np.mean(values, axis=0) for values in zip(*bins, strict=True))),
            errors=torch.stack(errors).numpy(),
        )


class Verdict(NamedTuple):
    """State a variant's error in camera space, and how it differs from the default's, in metres."""

    error: Interval
    difference: Interval | None  # None for the default, and where there is no default

    @property
    def word(self) -> str:
        """Say whether the difference is more than chance."""
        if self.difference is None:
            return MISSING
        if self.difference.low > 0:
            return "worse"
        return "better" if self.difference.high < 0 else "even"


class AblationTable:
    """Compare variants with the default.

    Args:
        measured: variant -> what its trainings do; the default may be missing.
        default: name of the variant that the others are compared with.
    """

    def __init__(self, measured: Mapping[str, MeasuredVariant], *, default: str) -> None:
        self.measured = dict(measured)
        self.default = default
        self.noise = SeedNoise.pooled(variant.errors for variant in measured.values())
        self.verdicts = {name: self._judge(name) for name in measured}

    def findings(self) -> list[str]:
        """Say in sentences what the verdicts mean and which variants win."""
        share, degrees = self.noise
        luck = (
            f"and over other seeds (standard deviation between trainings {share:.1%} of the error,"
            f" {degrees} degrees of freedom)"
            if degrees
            else "only; no variant was trained with several seeds, so luck may have decided"
        )
        best = min(self.verdicts, key=lambda name: self.verdicts[name].error.mean)
        error = self.verdicts[best].error.mean * MILLIMETRES
        better = [name for name, verdict in self.verdicts.items() if verdict.word == "better"]
        return [
            f"`difference`: `mpjpe_cam` minus that of `{self.default}`, hand by hand, with its 95 %"
            f" interval over other test hands {luck}. `verdict`: whether it excludes zero.",
            f"Smallest `mpjpe_cam`: `{best}`, {error:.1f} mm. Better than `{self.default}` beyond"
            f" chance: {_listed(better)}.",
        ]

    def to_markdown(self, columns: Sequence[str], labels: Mapping[str, Sequence[str]]) -> str:
        """Write one line a variant, in millimetres.

        Args:
            columns: heads of the columns that say what a variant is.
            labels: variant -> cells of these columns, in the order of the lines. A variant that
                was not measured gets a line without numbers.
        """
        heads = [*columns, *self._heads()]
        lines = [heads, ["---"] * len(heads)]
        for name, cells in labels.items():
            known = name in self.measured
            numbers = self._numbers(name) if known else [MISSING] * (len(heads) - len(cells))
            lines.append([*cells, *numbers])
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def to_json(self) -> dict[str, Any]:
        """Return plain values in millimetres."""
        return {
            "units": "mm",
            "default": self.default,
            "seed_noise": self.noise._asdict(),
            "rows": {
                name: {
                    "num_seeds": len(variant.errors),
                    "metrics": variant.metrics,
                    "depth_bins": variant.depth_bins.to_json(),
                    "mpjpe_cam": _in_millimetres(self.verdicts[name].error),
                    "difference": _in_millimetres(self.verdicts[name].difference),
                    "verdict": self.verdicts[name].word,
                }
                for name, variant in self.measured.items()
            },
        }

    def _judge(self, name: str) -> Verdict:
        errors = self.measured[name].errors
        if name == self.default or self.default not in self.measured:
            return Verdict(bootstrap_mean(errors), None)
        reference = self.measured[self.default].errors
        return Verdict(bootstrap_mean(errors), bootstrap_difference(errors, reference, self.noise))

    def _heads(self) -> list[str]:
        edges = next(iter(self.measured.values())).depth_bins.edge
        bins = [f"root {near:.2f}-{far:.2f} m" for near, far in pairwise(edges)]
        return ["mpjpe_cam", "difference", "verdict", *bins, *_METRICS]

    def _numbers(self, name: str) -> list[str]:
        metrics, bins, _ = self.measured[name]
        error, difference = self.verdicts[name]
        return [
            f"{error.mean * MILLIMETRES:.1f}",
            MISSING if difference is None else _format_difference(difference),
            self.verdicts[name].word,
            *(f"{value * MILLIMETRES:.1f}" for value in bins.root_error),
            *(f"{metrics[metric]:.1f}" for metric in _METRICS),
        ]


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _format_difference(interval: Interval) -> str:
    mean, low, high = (f"{value * MILLIMETRES:+.1f}" for value in interval)
    return f"{mean} [{low}, {high}]"


def _in_millimetres(interval: Interval | None) -> dict[str, float] | None:
    if interval is None:
        return None
    return {name: value * MILLIMETRES for name, value in interval._asdict().items()}
