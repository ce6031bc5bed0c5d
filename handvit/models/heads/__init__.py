"""From tokens to a hand: the decoder, its pose heads and its translation heads."""

from handvit.models.heads.axis_angle_pose_head import AxisAnglePoseHead
from handvit.models.heads.hand_decoder import HandDecoder
from handvit.models.heads.rotation_6d_pose_head import Rotation6DPoseHead
from handvit.models.heads.uv_distance_head import UvDistanceHead

__all__ = ["AxisAnglePoseHead", "HandDecoder", "Rotation6DPoseHead", "UvDistanceHead"]
