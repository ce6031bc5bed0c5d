"""Put stand-ins in the place of the files that a recipe's model needs and users bring."""

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from handvit.hand_models.mano_assets import OPENHAND, load_hand_asset
from handvit.models.backbones.hf_architectures import ARCHITECTURES
from handvit.structures import HandStatistics


def self_contained(cfg: Config) -> Config:
    """Return a copy of a recipe whose models are built from the repository alone.

    Pretrained backbones become random ones of the same architecture, MANO becomes the open hand
    (arrays of the same shapes), statistics become ``stand_in_statistics``, and no checkpoint is
    loaded. Data sets still name their files.

    Raises:
        ValueError: the architecture of a pretrained backbone is not known.
    """
    content = _replace_files(cfg.to_dict())
    return Config({**content, "load_from": None})


def stand_in_statistics() -> HandStatistics:
    """Return statistics of a plausible size: flat average hands around 0.6 m from the camera."""
    return HandStatistics(
        hand_model=load_hand_asset(OPENHAND).identity,
        num_hands=1,
        pose_mean=np.zeros((16, 3)),
        pose_covariance=0.1 * np.eye(48),  # rad^2
        pose_low=np.full((15, 3), -1.0),
        pose_high=np.full((15, 3), 1.0),
        betas_mean=np.zeros(10),
        betas_covariance=np.eye(10),
        root_mean=np.array([0.0, 0.0, 0.6]),
        root_covariance=np.diag([0.01, 0.01, 0.04]),
        root_by_hand_mean=np.array([0.0, 0.0, 8.0]),
        root_by_hand_covariance=np.diag([1.8, 1.8, 7.0]),
        prior_scale=0.121,
        prior_scale_by_hand=1.6,
    )


def _replace_files(node: Any) -> Any:
    """Return a config's node with every file below it replaced."""
    if isinstance(node, list | tuple):
        return type(node)(_replace_files(child) for child in node)
    if not isinstance(node, dict):
        return node
    replaced = {key: _replace_files(child) for key, child in node.items()}
    if replaced.get("pretrained") is not None:
        replaced["config"] = _architecture(replaced.pop("pretrained"))
    if replaced.get("statistics") is not None:
        replaced["statistics"] = stand_in_statistics().to_json()
    if replaced.get("type") == "ManoLayer":
        replaced["source"] = OPENHAND
    return replaced


def _architecture(pretrained: str) -> dict[str, Any]:
    name = Path(pretrained).name
    if name not in ARCHITECTURES:
        raise ValueError(
            f"model.backbone.pretrained={pretrained!r}: the architecture {name!r} is not known; add"
            " it to handvit/models/backbones/hf_architectures.py, or name the folder as one of"
            f" {sorted(ARCHITECTURES)}"
        )
    return dict(ARCHITECTURES[name])
