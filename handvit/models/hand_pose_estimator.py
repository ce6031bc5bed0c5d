"""The whole model: crops in, hands in camera space out."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from mmengine.model import BaseModel
from torch import Tensor, nn

from handvit.geometry.rotation import mirror_points, mirror_rotation
from handvit.models.freezing import find_modules
from handvit.models.heads.hand_head import join_terms
from handvit.registry import MODELS
from handvit.structures import (
    HandCrops,
    HandPrediction,
    HandStatistics,
    HandTarget,
    HandTokens,
)


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
            frozen: names or patterns of the modules that keep their weights and stay in eval mode
                for the whole run, see ``freeze``.

        Raises:
            ValueError: a loss name does not start with ``loss_``, a frozen part is unknown, or
                the head's statistics are those of another hand model.
        """
        super().__init__(data_preprocessor=MODELS.build(data_preprocessor))
        _check_loss_names(losses)
        self.backbone = MODELS.build(backbone)
        dim = self.backbone.dim
        self.neck = MODELS.build({**neck, "dim": dim})
        self.temporal = MODELS.build({**temporal, "dim": dim}) if temporal else None
        self.head = MODELS.build({**head, "dim": dim})
        self.hand_model = MODELS.build(hand_model)
        check_statistics(head, self.hand_model.identity)
        self.losses = nn.ModuleDict({name: MODELS.build(cfg) for name, cfg in losses.items()})
        self._learnable = frozenset(n for n, p in self.named_parameters() if p.requires_grad)
        self.freeze(frozen)

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

    def freeze(self, patterns: Iterable[str]) -> None:
        """Keep these modules, and no others, as they are: no gradients, and always in eval mode.

        Parameters that never learn, such as unused ones, stay so.

        Args:
            patterns: names such as ``head.decoder``, or patterns, see ``find_modules``.

        Raises:
            ValueError: a pattern matches nothing.
        """
        self.frozen = tuple(patterns)
        self._frozen_modules = find_modules(self, self.frozen, key="frozen")
        inside = tuple(f"{name}." for name in self._frozen_modules)
        for name, parameter in self.named_parameters():
            parameter.requires_grad_(name in self._learnable and not name.startswith(inside))
        spatial = (*self.backbone.parameters(), *self.neck.parameters())
        self._learns_in_space = any(parameter.requires_grad for parameter in spatial)
        self.train(self.training)

    def train(self, mode: bool = True) -> "HandPoseEstimator":
        """Switch the mode of everything that is not frozen."""
        super().train(mode)
        for name in self._frozen_modules:
            self.get_submodule(name).eval()
        return self

    def _predict_last_frame(self, crops: HandCrops) -> HandPrediction:
        # Space, then time.
        tokens = self.extract_tokens(crops)
        if self.temporal is not None:
            labels = crops.labels
            tokens = self.temporal(tokens, labels.frame_time, labels.frame_valid)

        # Only the last frame is decoded.
        return self.head(tokens.last_frame(), crops.last_frame(), self.hand_model)

    def extract_tokens(self, crops: HandCrops) -> HandTokens:
        """Return tokens (B, T, N, D), those of a cache where crops come with them."""
        if crops.tokens is not None:
            return crops.tokens
        B, T = crops.crop.shape[:2]
        with torch.set_grad_enabled(self._learns_in_space and torch.is_grad_enabled()):
            flat = self.backbone(crops.crop.flatten(0, 1))
            prefix, patches = (x.unflatten(0, (B, T)) for x in (flat.prefix, flat.patches))
            return self.neck(HandTokens(prefix, patches, flat.grid), crops)

    def _loss(self, prediction: HandPrediction, crops: HandCrops) -> dict[str, Tensor]:
        mano = crops.labels.mano
        with torch.no_grad():
            mesh = self.hand_model(mano.global_orient, mano.hand_pose, mano.betas)
        target = HandTarget(crops, mesh.vertices_rel)
        terms = {name: loss(prediction, target) for name, loss in self.losses.items()}
        return join_terms(terms, self.head.loss(prediction, crops))


def split_hands(prediction: HandPrediction, is_mirrored: Tensor) -> list[HandPrediction]:
    """Return one prediction a hand, on the CPU; mirrored hands become left hands again.

    Args:
        prediction: ``(B, 1, ...)``.
        is_mirrored: (B, 1) bool.
    """
    on_cpu = _map_tensors(lambda tensor: tensor.detach().cpu(), prediction)
    return [
        _one_hand(on_cpu, hand, mirrored)
        for hand, mirrored in enumerate(is_mirrored[:, 0].tolist())
    ]


def check_statistics(config: Any, hand_model: str) -> None:
    """Refuse statistics of another hand model: its poses and betas mean other hands.

    Args:
        config: a head's; every ``statistics`` in it is compared.
        hand_model: identity of the hand model, ``name:digest``.

    Raises:
        ValueError: names both hand models.
    """
    name = hand_model.split(":")[0]
    for source in _find_statistics(config):
        theirs = HandStatistics.load(source).hand_model.split(":")[0]
        if theirs != name:
            raise ValueError(
                f"statistics: measured with the hand model {theirs!r}, but model.hand_model is"
                f" {name!r}; measure data that is labelled with {name!r} (python"
                " tools/misc/compute_statistics.py), or set model.hand_model to theirs"
            )


def _find_statistics(config: Any) -> Iterator[Any]:
    if isinstance(config, list | tuple):
        for child in config:
            yield from _find_statistics(child)
    elif isinstance(config, dict):
        for key, child in config.items():
            if key != "statistics":
                yield from _find_statistics(child)
            elif child is not None:
                yield child


def _one_hand(prediction: HandPrediction, hand: int, mirrored: bool) -> HandPrediction:
    picked = _map_tensors(lambda tensor: tensor[hand, 0], prediction)
    if not mirrored:
        return picked
    pose = picked.pose
    return HandPrediction(
        picked.mano.mirrored(),
        mirror_points(picked.keypoints_cam),
        mirror_points(picked.vertices_cam),
        picked.root._replace(root_cam=mirror_points(picked.root.root_cam)),
        mirror_rotation(pose) if isinstance(pose, Tensor) else pose.mirrored(),
    )


def _map_tensors(change: Callable[[Tensor], Tensor], value: Any) -> Any:
    """Change every tensor in named tuples of named tuples."""
    if isinstance(value, Tensor):
        return change(value)
    return type(value)(*(_map_tensors(change, field) for field in value))


def _check_loss_names(losses: dict[str, dict[str, Any]]) -> None:
    wrong = [name for name in losses if not name.startswith("loss_")]
    if wrong:
        raise ValueError(f"losses: names {wrong} must start with 'loss_', or MMEngine skips them")
