"""Hold what training hands are like on average: where networks start and what range they cover."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from handvit.atomic_file import atomic_file

_MAKE = "make it with `python tools/misc/compute_statistics.py DATA_ROOT... --out FILE`"
_SHAPES = {
    "pose_mean": (16, 3),
    "pose_covariance": (48, 48),
    "pose_low": (15, 3),
    "pose_high": (15, 3),
    "betas_mean": (10,),
    "betas_covariance": (10, 10),
    "root_mean": (3,),
    "root_covariance": (3, 3),
    "root_by_hand_mean": (3,),
    "root_by_hand_covariance": (3, 3),
}
_POSITIVE = ("num_hands", "prior_scale", "prior_scale_by_hand")


@dataclass(frozen=True, kw_only=True, eq=False)
class HandStatistics:
    """Describe the right (or mirrored left) hands of the training data.

    Rotations are axis-angle vectors in MANO's order, wrist first. The wrist's place is given in
    metres, and once more in hand sizes (``middle_finger_length``), as ``norm_by_hand`` needs it.
    """

    hand_model: str  # name of the hand model that poses and betas belong to
    num_hands: int  # whose pose was measured
    pose_mean: np.ndarray  # (16, 3) rad, of the mean rotations
    pose_covariance: np.ndarray  # (48, 48) rad^2, of the axis-angle vectors
    pose_low: np.ndarray  # (15, 3) rad, of finger joints: nearly all lie above
    pose_high: np.ndarray  # (15, 3) rad, nearly all lie below
    betas_mean: np.ndarray  # (10,)
    betas_covariance: np.ndarray  # (10, 10)
    root_mean: np.ndarray  # (3,) metres, camera axes
    root_covariance: np.ndarray  # (3, 3) square metres
    root_by_hand_mean: np.ndarray  # (3,) hand sizes
    root_by_hand_covariance: np.ndarray  # (3, 3)
    prior_scale: float  # metres: size of a hand as its box shows it, see ``box_prior``
    prior_scale_by_hand: float  # the same in hand sizes

    def __post_init__(self) -> None:
        """Refuse arrays of a wrong shape, and numbers that are not finite.

        Raises:
            ValueError: names the key.
        """
        if not isinstance(self.hand_model, str) or not self.hand_model:
            raise ValueError(f"hand_model: must be a name, is {self.hand_model!r}")
        for name in _POSITIVE:
            value = _to_array(name, getattr(self, name), ())
            if not value > 0:
                raise ValueError(f"{name}: must be positive, is {value}")
        for name, shape in _SHAPES.items():
            object.__setattr__(self, name, _to_array(name, getattr(self, name), shape))
        if not (self.pose_low < self.pose_high).all():
            raise ValueError("pose_low: must lie below pose_high everywhere")

    @classmethod
    def load(cls, source: "str | Path | Mapping[str, Any] | HandStatistics") -> "HandStatistics":
        """Read the JSON file that ``compute_statistics.py`` wrote, or take its content.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: it is not JSON, or keys are missing, unknown or misshapen.
        """
        if isinstance(source, cls):
            return source
        is_content = isinstance(source, Mapping)
        name = "statistics" if is_content else f"statistics {source}"
        if not is_content and not Path(source).is_file():
            raise FileNotFoundError(
                f"{name}: no such file; copy it from where the model was trained, or {_MAKE}"
            )
        try:
            content = dict(source) if is_content else json.loads(Path(source).read_bytes())
            return cls(**_checked(content))
        except ValueError as error:
            raise ValueError(f"{name}: {error}; {_MAKE}") from error

    def save(self, path: Path | str) -> None:
        """Write the JSON file that ``load`` reads, atomically; its folder is made if need be."""
        lines = [
            f'"{name}": {json.dumps(value, allow_nan=False)}'
            for name, value in self.to_json().items()
        ]
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(Path(path)) as file:
            file.write("{{\n{}\n}}\n".format(",\n".join(lines)).encode())

    def to_json(self) -> dict[str, Any]:
        """Return plain values that ``load`` takes back."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }


def _checked(content: Any) -> dict[str, Any]:
    """Refuse content with other keys than the class has."""
    wanted = {field.name for field in fields(HandStatistics)}
    if not isinstance(content, dict):
        raise ValueError(f"must be an object with the keys {sorted(wanted)}")
    if content.keys() != wanted:
        missing, unknown = sorted(wanted - content.keys()), sorted(content.keys() - wanted)
        raise ValueError(f"missing keys {missing}, unknown keys {unknown}")
    return content


def _to_array(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Return finite numbers of one shape as float64."""
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: not an array of numbers ({error})") from error
    if array.shape != shape:
        raise ValueError(f"{name}: shape {array.shape}, want {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: holds NaN or infinity")
    return array
