"""From tokens to a hand: decoders, pose heads, translation heads, and what joins them."""

from handvit.models.heads.assumed_focal import FixedFocal, TrueFocal
from handvit.models.heads.axis_angle_pose_head import AxisAnglePoseHead
from handvit.models.heads.beta_pose_head import BetaPoseHead
from handvit.models.heads.hamer_decoder import HamerDecoder
from handvit.models.heads.hand_decoder import HandDecoder
from handvit.models.heads.hand_head import HandHead
from handvit.models.heads.length_unit import HandSizeUnit, MetreUnit
from handvit.models.heads.rotation_6d_pose_head import Rotation6DPoseHead
from handvit.models.heads.soft_argmax_3d_head import SoftArgmax3DHead
from handvit.models.heads.unit_quaternion_pose_head import UnitQuaternionPoseHead
from handvit.models.heads.uv_distance_head import UvDistanceHead
from handvit.models.heads.weak_perspective_head import WeakPerspectiveHead
from handvit.models.heads.xy_depth_head import XyDepthHead

__all__ = [
    "AxisAnglePoseHead",
    "BetaPoseHead",
    "FixedFocal",
    "HamerDecoder",
    "HandDecoder",
    "HandHead",
    "HandSizeUnit",
    "MetreUnit",
    "Rotation6DPoseHead",
    "SoftArgmax3DHead",
    "TrueFocal",
    "UnitQuaternionPoseHead",
    "UvDistanceHead",
    "WeakPerspectiveHead",
    "XyDepthHead",
]
