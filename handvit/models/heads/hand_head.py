"""Read one hand off a crop's tokens: rotations, shape, mesh and place."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handvit.registry import MODELS
from handvit.structures import HandCrops, HandPrediction, HandStatistics, HandTokens, ManoParams

_NUM_BETAS = 10


@MODELS.register_module()
class HandHead(nn.Module):
    """Regress a hand from the decoder's token, pose it, then place it.

    Everything after the decoder runs in float32 whatever the autocast dtype.
    """

    def __init__(
        self,
        dim: int,
        *,
        decoder: dict[str, Any],
        pose_head: dict[str, Any],
        translation_head: dict[str, Any],
        statistics: str | Path | dict[str, Any] | None = None,
    ) -> None:
        """Build the parts; the heads get the decoder's width.

        Args:
            dim: token width, given by the estimator.
            decoder: tokens to one token (..., width).
            pose_head: token to rotations (..., 16, 3, 3), or to a named tuple that has them as
                ``rotations`` and turns to the other side by ``mirrored()``; then the head has a
                ``loss`` too.
            translation_head: token, crops and the posed hand to the wrist's place, with a loss.
            statistics: of the training data (a file, or its content): the untrained head then
                says the mean pose and shape instead of a flat hand of average shape.
        """
        super().__init__()
        self.decoder = MODELS.build({**decoder, "dim": dim})
        width = self.decoder.width
        self.pose_head = MODELS.build({**pose_head, "dim": width})
        self.shape_head = nn.Linear(width, _NUM_BETAS)
        self.translation_head = MODELS.build({**translation_head, "dim": width})
        nn.init.normal_(self.shape_head.weight, std=1e-3)
        nn.init.zeros_(self.shape_head.bias)
        if statistics is not None:
            self._start_at(HandStatistics.load(statistics))

    def forward(
        self, tokens: HandTokens, crops: HandCrops, hand_model: nn.Module
    ) -> HandPrediction:
        """Return the hands ``(B, T, ...)`` of tokens (B, T, N, D)."""
        token = self.decoder(tokens)  # (B, T, width)
        with torch.autocast(token.device.type, enabled=False):
            token = token.float()
            pose, betas = self.pose_head(token), self.shape_head(token)
            rotations = pose if isinstance(pose, Tensor) else pose.rotations
            global_orient, hand_pose = rotations[..., 0, :, :], rotations[..., 1:, :, :]
            mesh = hand_model(global_orient, hand_pose, betas)
            root = self.translation_head(token, crops, mesh.keypoints_rel)
        mano = ManoParams(global_orient, hand_pose, betas, root.root_cam)
        place = root.root_cam[..., None, :]  # (B, T, 1, 3)
        return HandPrediction(
            mano, mesh.keypoints_rel + place, mesh.vertices_rel + place, root, pose
        )

    def loss(self, prediction: HandPrediction, crops: HandCrops) -> dict[str, Tensor]:
        """Return the loss terms that belong to the translation head and the pose head."""
        terms = self.translation_head.loss(prediction.root, crops)
        if isinstance(prediction.pose, Tensor):
            return terms
        return join_terms(self.pose_head.loss(prediction.pose, crops), terms)

    def _start_at(self, statistics: HandStatistics) -> None:
        self.pose_head.start_at(statistics)
        with torch.no_grad():
            self.shape_head.bias.copy_(torch.from_numpy(statistics.betas_mean))


def join_terms(terms: dict[str, Tensor], own: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return loss terms together with a head's own.

    Raises:
        ValueError: they share a name, so that one would silently replace the other.
    """
    names = sorted(terms.keys() & own.keys())
    if names:
        raise ValueError(f"losses: {names} are names of the head's own terms; rename them")
    return {**terms, **own}
