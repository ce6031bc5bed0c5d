"""Turn pose and shape into a hand mesh and its 21 keypoints."""

import contextlib
import io
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import torch
from smplx.body_models import MANOLayer
from torch import Tensor, nn

from handvit.hand_models.mano_assets import OPENHAND, HandAsset, load_hand_asset
from handvit.registry import MODELS
from handvit.structures.skeleton import MANO_TO_CANONICAL, fingertip_vertices


class HandMesh(NamedTuple):
    """A posed hand with its wrist at the origin, camera axes, metres."""

    keypoints_rel: Tensor  # (..., 21, 3) canonical order
    vertices_rel: Tensor  # (..., 778, 3)


@MODELS.register_module()
class ManoLayer(nn.Module):
    """Pose a hand mesh by linear blend skinning (Romero et al. 2017).

    It owns no parameters and its ``state_dict`` is empty: nothing to train, and no licensed array
    leaves the machine inside a checkpoint. It computes in its own dtype (float32, or float64 after
    ``.double()``), also under autocast, where bfloat16 would move vertices by millimetres.

    Args:
        source: ``'openhand'``, the path of a ``.npz`` that ``setup_mano.py`` wrote, or an asset.
        is_right: side of the hand. The network only ever needs the right one.
        fingertips: name of a set in ``skeleton.py``: which vertices stand for the finger tips.
    """

    faces: Tensor  # (1538, 3) int64

    def __init__(
        self,
        source: str | HandAsset = OPENHAND,
        *,
        is_right: bool = True,
        fingertips: str = "smplx",
    ) -> None:
        super().__init__()
        self.fingertips = fingertips
        self._fingertip_vertices = list(fingertip_vertices(fingertips, is_right=is_right))
        is_asset = isinstance(source, HandAsset)
        self.asset = source if is_asset else load_hand_asset(source, is_right=is_right)
        assert self.asset.is_right == is_right
        self._mano = _build_mano(self.asset)
        self.register_buffer("faces", torch.from_numpy(self.asset.faces), persistent=False)

    @property
    def identity(self) -> str:
        """Name of the hand model that betas and poses belong to, e.g. ``openhand:1f3a9c...``."""
        return self.asset.identity

    def forward(self, global_orient: Tensor, hand_pose: Tensor, betas: Tensor) -> HandMesh:
        """Pose the hand.

        Args:
            global_orient: (..., 3, 3) wrist rotation, camera axes.
            hand_pose: (..., 15, 3, 3) absolute finger rotations; flat hand = identity.
            betas: (..., 10).
        """
        dtype = self._mano.v_template.dtype
        leading = betas.shape[:-1]
        with torch.autocast(betas.device.type, enabled=False):
            output = self._mano(
                global_orient=global_orient.to(dtype).reshape(-1, 1, 3, 3),
                hand_pose=hand_pose.to(dtype).reshape(-1, 15, 3, 3),
                betas=betas.to(dtype).reshape(-1, 10),
            )
        wrist = output.joints[:, :1]  # (N, 1, 3)
        tips = output.vertices[:, self._fingertip_vertices]  # (N, 5, 3)
        keypoints = torch.cat([output.joints, tips], dim=1)[:, list(MANO_TO_CANONICAL)]
        return HandMesh(
            keypoints_rel=(keypoints - wrist).reshape(*leading, *keypoints.shape[1:]),
            vertices_rel=(output.vertices - wrist).reshape(*leading, *output.vertices.shape[1:]),
        )


def _build_mano(asset: HandAsset) -> MANOLayer:
    """Build smplx's layer from our arrays (it would unpickle files) and strip what it saves."""
    data = SimpleNamespace(
        v_template=asset.v_template,
        shapedirs=asset.shapedirs,
        posedirs=asset.posedirs,
        J_regressor=asset.j_regressor,
        weights=asset.weights,
        f=asset.faces,
        kintree_table=[asset.parents],
        hands_mean=asset.hands_mean,
        hands_components=asset.hands_components,
    )
    with contextlib.redirect_stdout(io.StringIO()):  # "only 10 shape coefficients": MANO has 10
        layer = MANOLayer(
            model_path="",
            is_rhand=asset.is_right,
            data_struct=data,
            use_pca=False,
            create_body_pose=False,  # otherwise a parameter that no forward pass uses
        )
    for module in layer.modules():
        for name, buffer in list(module.named_buffers(recurse=False)):
            module.register_buffer(name, buffer, persistent=False)
    # smplx indexes a Python list by these: as a tensor on the GPU it would wait 15 times a call,
    # and a tensor without values (meta, fake) cannot.
    del layer.parents
    layer.parents = np.array(asset.parents)
    return layer
