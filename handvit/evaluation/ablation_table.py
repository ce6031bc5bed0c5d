"""Lay out variants of a model as one table that says which differences are real."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch

from handvit.evaluation.bootstrap import (
    Difference,
    Interval,
    SeedNoise,
    beyond_chance,
    bootstrap_difference,
    bootstrap_mean,
)
from handvit.evaluation.depth_bins import DepthBins, bin_by_depth
from handvit.evaluation.functional import aligned_errors, keypoint_errors, root_relative
from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.summary import MILLIMETRES, summarize
from handvit.evaluation.table import MISSING

MAX_DEPTH_BINS = 4
COMPARED = ("mpjpe_cam", "mpjpe_rel", "pa_mpjpe")
UNCLEAR = "unclear"


class MeasuredVariant(NamedTuple):
    """Hold what the trainings of one variant, one a seed, do on the test hands."""

    metrics: dict[str, float]  # as ``summarize`` returns them, averaged over seeds
    depth_bins: DepthBins  # averaged over seeds
    errors: dict[str, np.ndarray]  # of ``COMPARED``, (S, N) metres by seed and hand
    num_seeds: int  # zero: nothing was trained, so no seed has a part in it

    @classmethod
    def measure(
        cls, predictions: Sequence[np.ndarray], truth: GroundTruth, *, is_trained: bool = True
    ) -> "MeasuredVariant":
        """Measure S predictions (N, 21, 3) metres, in the order of ``truth``.

        Raises:
            ValueError: a test hand lacks a keypoint or a real camera, so hands do not weigh alike.
        """
        if not (truth.keypoints_cam_valid.all() and truth.camera_valid.all()):
            raise ValueError("an ablation needs test hands with a real camera and all 21 keypoints")
        summaries = [summarize(pred, truth) for pred in predictions]
        bins = [bin_by_depth(pred, truth, max_bins=MAX_DEPTH_BINS) for pred in predictions]
        errors = [_errors_by_hand(pred, truth) for pred in predictions]
        return cls(
            metrics={name: _mean(row[name] for row in summaries) for name in summaries[0]},
            depth_bins=DepthBins(*(np.mean(values, axis=0) for values in zip(*bins, strict=True))),
            errors={name: np.stack([row[name] for row in errors]) for name in COMPARED},
            num_seeds=len(predictions) if is_trained else 0,
        )


class Verdict(NamedTuple):
    """Say whether a variant differs from the default by more than chance, in one metric."""

    difference: Interval  # metres
    word: str  # "better", "worse", or ``UNCLEAR``


class AblationTable:
    """Compare variants with the default.

    Args:
        measured: variant -> what its trainings do; the default may be missing.
        default: name of the variant that the others are compared with.
    """

    def __init__(self, measured: Mapping[str, MeasuredVariant], *, default: str) -> None:
        self.measured = dict(measured)
        self.default = default
        self.error = {
            name: bootstrap_mean(row.errors["mpjpe_cam"]) for name, row in measured.items()
        }
        self.noise = {
            metric: SeedNoise.pooled(row.errors[metric] for row in measured.values())
            for metric in COMPARED
        }
        #: metric -> variant -> verdict; there is none of the default, and none without it.
        self.verdicts = {metric: self._judge(metric) for metric in COMPARED}

    def word(self, name: str, metric: str) -> str:
        """Return a verdict's word, or the mark of a missing one."""
        verdict = self.verdicts[metric].get(name)
        return MISSING if verdict is None else verdict.word

    def to_markdown(self, names: Sequence[str]) -> str:
        """Write one line a variant, in millimetres.

        Args:
            names: of the variants, in the order of the lines. One that was not measured gets a
                line without numbers.
        """
        heads = self._heads()
        lines = [heads, ["---"] * len(heads)]
        for name in names:
            known = name in self.measured
            cells = self._numbers(name) if known else [MISSING] * (len(heads) - 1)
            cells = [name, *cells]
            lines.append([f"**{cell}**" for cell in cells] if name == self.default else cells)
        return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)

    def to_json(self) -> dict[str, Any]:
        """Return plain values in millimetres."""
        return {
            "units": "mm",
            "default": self.default,
            "seed_noise": {metric: noise._asdict() for metric, noise in self.noise.items()},
            "rows": {
                name: {
                    "num_seeds": variant.num_seeds,
                    "metrics": variant.metrics,
                    "depth_bins": variant.depth_bins.to_json(),
                    "mpjpe_cam": _in_millimetres(self.error[name]),
                    "differences": {
                        metric: _in_millimetres(verdicts[name].difference)
                        for metric, verdicts in self.verdicts.items()
                        if name in verdicts
                    },
                    "verdicts": {metric: self.word(name, metric) for metric in COMPARED},
                }
                for name, variant in self.measured.items()
            },
        }

    def _judge(self, metric: str) -> dict[str, Verdict]:
        if self.default not in self.measured:
            return {}
        differences = {
            name: self._difference(name, metric) for name in self.measured if name != self.default
        }
        believed = beyond_chance([difference.p_value for difference in differences.values()])
        return {
            name: Verdict(interval, _word(interval.mean) if is_real else UNCLEAR)
            for (name, (interval, _)), is_real in zip(differences.items(), believed, strict=True)
        }

    def _difference(self, name: str, metric: str) -> Difference:
        noise = self.noise[metric]
        pair = [self.measured[row] for row in (name, self.default)]
        errors, reference = (row.errors[metric] for row in pair)
        luck = [noise.std(row.errors[metric]) for row in pair if row.num_seeds]
        return bootstrap_difference(
            errors,
            reference,
            seed_std=float(np.linalg.norm(luck)),
            degrees_of_freedom=noise.degrees_of_freedom,
        )

    def _heads(self) -> list[str]:
        edges = next(iter(self.measured.values())).depth_bins.edge
        bins = [f"root_error {near:.2f}-{far:.2f} m" for near, far in pairwise(edges)]
        compared = [head for metric in COMPARED for head in (metric, "difference")]
        return ["variant", "seeds", *compared, "root_error", *bins]

    def _numbers(self, name: str) -> list[str]:
        metrics, bins, _, num_seeds = self.measured[name]
        cells = [str(num_seeds) if num_seeds else MISSING]
        for metric in COMPARED:
            cells += [f"{metrics[metric]:.1f}", self._format_verdict(name, metric)]
        cells.append(f"{metrics['root_error']:.1f}")
        return cells + [f"{value * MILLIMETRES:.1f}" for value in bins.root_error]

    def _format_verdict(self, name: str, metric: str) -> str:
        verdict = self.verdicts[metric].get(name)
        if verdict is None:
            return MISSING
        mean, low, high = (f"{value * MILLIMETRES:+.1f}" for value in verdict.difference)
        return f"{mean} [{low}, {high}] {verdict.word}"


def _errors_by_hand(pred_keypoints_cam: np.ndarray, truth: GroundTruth) -> dict[str, np.ndarray]:
    """Average over the keypoints of each hand: of ``COMPARED``, (N,) metres."""
    pred, gt = (
        torch.as_tensor(values, dtype=torch.float64)
        for values in (pred_keypoints_cam, truth.keypoints_cam)
    )
    valid = torch.as_tensor(truth.keypoints_cam_valid)
    errors = (
        keypoint_errors(pred, gt),
        keypoint_errors(root_relative(pred), root_relative(gt)),
        aligned_errors(pred, gt, valid),
    )
    return {name: e.mean(dim=-1).numpy() for name, e in zip(COMPARED, errors, strict=True)}


def _word(difference: float) -> str:
    return "worse" if difference > 0 else "better"


def _mean(values: Iterable[float]) -> float:
    return float(np.mean(list(values)))


def _in_millimetres(interval: Interval) -> dict[str, float]:
    return {name: value * MILLIMETRES for name, value in interval._asdict().items()}
