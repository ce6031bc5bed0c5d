"""Turn the labels of one frame of CS-ViT2 into a sample."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from handvit.datasets.converters.cs_vit2.plan import METRES_PER_UNIT
from handvit.datasets.converters.guessed_camera import guessed_camera
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_assets import HandAsset
from handvit.hand_models.mano_conversion import add_mean_pose
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS, WRIST

#: Data sets whose left hands were fitted with MANO's stock left shape directions: those betas give
#: another hand with the corrected ones.
STOCK_LEFT_SOURCES = ("dexycb",)
#: Indices of the tips, which are not compared: which mesh vertices they are differs by source.
_TIPS = np.arange(4, NUM_KEYPOINTS, 4)


def keep_pose(hand_pose: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Return poses that are absolute already, (..., 45)."""
    return hand_pose


#: By what ``mano_pose`` holds: how to get absolute poses from its 45 finger angles.
MANO_POSES: Mapping[str, Callable[[np.ndarray, HandAsset], np.ndarray]] = MappingProxyType(
    {"full": keep_pose, "minus-mean": add_mean_pose}
)


class FrameFacts(NamedTuple):
    """Say of a frame what its arrays do not."""

    sample_id: str
    is_right: bool
    source: str  # data set that the clip came from, may be empty
    image_size: tuple[int, int]  # width, height in px
    has_real_camera: bool
    frame_time: float  # seconds
    path: str


@dataclass(frozen=True)
class HandLabeller:
    """Make samples.

    Args:
        hands: hand model of the labels.
        to_absolute: one of ``MANO_POSES``.
    """

    hands: HandPair
    to_absolute: Callable[[np.ndarray, HandAsset], np.ndarray]

    def label(self, row: Mapping[str, np.ndarray], facts: FrameFacts) -> HandSample:
        """Return the sample of a frame, without its image.

        The tars hold no translation. MANO is moved so that its joints lie on the labelled ones on
        average: the annotated wrist alone may be millimetres off MANO's, as in InterHand2.6M.
        ``mano_residual`` is the mean distance that remains. Both are over the valid keypoints
        without the tips.

        Args:
            row: ``cs_vit2_clips.ARRAYS`` of one frame.
        """
        img_valid = row["joint_2d_valid"] > 0.5
        cam_valid = row["joint_3d_valid"] > 0.5
        cam_valid = cam_valid & cam_valid[WRIST]
        has_camera = bool(row["has_intr"] > 0.5)
        focal, princpt = (
            (row["focal"], row["princpt"]) if has_camera else guessed_camera(facts.image_size)
        )
        sample = HandSample(
            sample_id=facts.sample_id,
            image=b"",
            image_size=facts.image_size,
            is_right=facts.is_right,
            bbox_xyxy=row["hand_bbox"],
            focal=focal,
            princpt=princpt,
            camera_valid=has_camera and facts.has_real_camera,
            frame_time=facts.frame_time,
            keypoints_img=np.where(img_valid[:, None], row["joint_img"], 0.0),
            keypoints_img_valid=img_valid,
            keypoints_cam=np.where(cam_valid[:, None], row["joint_cam"] * METRES_PER_UNIT, 0.0),
            keypoints_cam_valid=cam_valid,
            extra={"source": facts.source, "path": facts.path},
        )
        is_stock_left = not facts.is_right and facts.source.lower() in STOCK_LEFT_SOURCES
        if row["has_mano"] > 0.5 and cam_valid[WRIST] and not is_stock_left:
            self._add_mano(sample, row)
        return sample

    def _add_mano(self, sample: HandSample, row: Mapping[str, np.ndarray]) -> None:
        """Add the parameters, their residual, and the tight box of the mesh."""
        asset = self.hands.asset(sample.is_right)
        sample.mano_valid = True
        sample.global_orient = row["mano_pose"][:3]
        sample.hand_pose = self.to_absolute(row["mano_pose"][3:], asset)
        sample.betas = row["mano_shape"]
        sample.mano_root_cam = sample.keypoints_cam[WRIST]
        mesh = self.hands.pose_sample(sample)
        compared = np.delete(np.arange(NUM_KEYPOINTS), _TIPS)
        compared = compared[sample.keypoints_cam_valid[compared]]  # the wrist at least
        gap = mesh.keypoints[compared] - sample.keypoints_cam[compared]  # (N, 3)
        offset = gap.mean(0)
        sample.mano_root_cam = sample.mano_root_cam - offset
        sample.mano_residual = float(np.linalg.norm(gap - offset, axis=-1).mean())
        vertices = mesh.vertices - offset
        outline = vertices[:, :2] / vertices[:, 2:] * sample.focal + sample.princpt
        outline = np.concatenate([outline, sample.keypoints_img[sample.keypoints_img_valid]])
        sample.bbox_xyxy = np.concatenate([outline.min(0), outline.max(0)])
