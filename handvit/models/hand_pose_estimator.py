"""The whole model: crops in, hands in camera space out."""

from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from handvit.geometry.rotation import mirror_points, mirror_rotation
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandPrediction, HandTarget, HandTokens


@MODELS.register_module()
class HandPoseEstimator(BaseModel):
    """Predict the hand of the last frame of each clip.

    Stage 1 sees one frame and has no temporal encoder; stage 2 adds one and freezes the rest.
    """

    def __init__(
        self,
        *,
        data_preprocessor: dict[str, Any],
        backbone: dict[str, Any],
        neck: dict[str, Any],
        head: dict[str, Any],
        hand_model: dict[str, Any],
        losses: dict[str, dict[str, Any]],
        temporal: dict[str, Any] | None = None,
        frozen: tuple[str, ...] = (),
    ) -> None:
        """Build the parts; neck, temporal encoder and head get the backbone's token width.

        Args:
            data_preprocessor: ``HandBatch`` to ``HandCrops``.
            backbone: crops (B, 3, S, S) to ``HandTokens``.
            neck: tokens and crops to tokens that know their camera.
            head: tokens, crops and hand model to a ``HandPrediction``, with losses of its own.
            hand_model: MANO parameters to keypoints and mesh.
            losses: logged name (``loss_...``) to term.
            temporal: tokens of T frames to tokens of the last one, or None.
            frozen: names of parts that keep their weights and stay in eval mode.

        Raises:
            ValueError: a loss name does not start with ``loss_``, or a frozen part is unknown.
        """
        super().__init__(data_preprocessor=MODELS.build(data_preprocessor))
        _check_loss_names(losses)
        self.backbone = MODELS.build(backbone)
        dim = self.backbone.dim
        self.neck = MODELS.build({**neck, "dim": dim})
        self.temporal = MODELS.build({**temporal, "dim": dim}) if temporal else None
        self.head = MODELS.build({**head, "dim": dim})
        self.hand_model = MODELS.build(hand_model)
        self.losses = nn.ModuleDict({name: MODELS.build(cfg) for name, cfg in losses.items()})
        self.frozen = tuple(frozen)
        self._freeze()

    def forward(
        self, crops: HandCrops, mode: str = "tensor"
    ) -> HandPrediction | dict[str, Tensor] | list[HandPrediction]:
        """Run the model; MMEngine's contract asks for the mode as a string.

        Returns:
            'tensor': the prediction ``(B, 1, ...)`` for right (or mirrored left) hands in the
            crops' virtual camera. 'loss': named scalars. 'predict': one prediction a hand, without
            leading dims, left hands turned back to left.
        """
        prediction = self._predict_last_frame(crops)
        if mode == "tensor":
            return prediction
        if mode == "loss":
            return self._loss(prediction, crops.last_frame())
        return split_hands(prediction, crops.last_frame().is_mirrored)

    def train(self, mode: bool = True) -> "HandPoseEstimator":
        """Switch the mode of everything that is not frozen."""
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    def _predict_last_frame(self, crops: HandCrops) -> HandPrediction:
        # Space, then time.
        tokens = self._extract_tokens(crops)
        if self.temporal is not None:
            labels = crops.labels
            tokens = self.temporal(tokens, labels.frame_time, labels.frame_valid)

        # Only the last frame is decoded.
        return self.head(tokens.last_frame(), crops.last_frame(), self.hand_model)

    def _extract_tokens(self, crops: HandCrops) -> HandTokens:
        """Tokens (B, T, N, D); without gradients when neither part is trained."""
        frozen = {"backbone", "neck"} <= set(self.frozen)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            B, T = crops.crop.shape[:2]
            flat = self.backbone(crops.crop.flatten(0, 1))
            prefix, patches = (x.unflatten(0, (B, T)) for x in (flat.prefix, flat.patches))
            return self.neck(HandTokens(prefix, patches, flat.grid), crops)

    def _loss(self, prediction: HandPrediction, crops: HandCrops) -> dict[str, Tensor]:
        mano = crops.labels.mano
        with torch.no_grad():
            mesh = self.hand_model(mano.global_orient, mano.hand_pose, mano.betas)
        target = HandTarget(crops, mesh.vertices_rel)
        terms = {name: loss(prediction, target) for name, loss in self.losses.items()}
        return {**terms, **self.head.loss(prediction, crops)}

    def _freeze(self) -> None:
        for name in self.frozen:
            part = getattr(self, name, None)
            if not isinstance(part, nn.Module):
                raise ValueError(f"frozen: the model has no part {name!r}")
            part.requires_grad_(False)
            part.eval()


def split_hands(prediction: HandPrediction, is_mirrored: Tensor) -> list[HandPrediction]:
    """Return one prediction a hand, on the CPU; mirrored hands become left hands again.

    Args:
        prediction: ``(B, 1, ...)``.
        is_mirrored: (B, 1) bool.
    """
    return [
        _one_hand(prediction, hand, mirrored)
        for hand, mirrored in enumerate(is_mirrored[:, 0].tolist())
    ]


def _one_hand(prediction: HandPrediction, hand: int, mirrored: bool) -> HandPrediction:
    def pick(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value[hand, 0].detach().cpu()
        return type(value)(*map(pick, value))

    picked = pick(prediction)
    if not mirrored:
        return picked
    return HandPrediction(
        picked.mano.mirrored(),
        mirror_points(picked.keypoints_cam),
        mirror_points(picked.vertices_cam),
        picked.root._replace(root_cam=mirror_points(picked.root.root_cam)),
        _mirror_pose(picked.pose),
    )


def _mirror_pose(pose: Any) -> Any:
    if isinstance(pose, Tensor):
        return mirror_rotation(pose)
    return pose._replace(rotations=mirror_rotation(pose.rotations))


def _check_loss_names(losses: dict[str, dict[str, Any]]) -> None:
    wrong = [name for name in losses if not name.startswith("loss_")]
    if wrong:
        raise ValueError(f"losses: names {wrong} must start with 'loss_', or MMEngine skips them")
