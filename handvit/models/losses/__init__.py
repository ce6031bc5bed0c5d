"""One registered term a file: ``(pred, target) -> weighted scalar``, and how terms measure."""

from handvit.models.losses.axis_3d_loss import Axis3DLoss
from handvit.models.losses.distances import (
    AxisAngleDistance,
    GeodesicDistance,
    L1Distance,
    L2Distance,
    RobustL1Distance,
    RotationMatrixDistance,
    SmoothL1Distance,
)
from handvit.models.losses.heatmap_ce_loss import HeatmapCELoss
from handvit.models.losses.keypoint_3d_loss import Keypoint3DLoss
from handvit.models.losses.mano_pose_loss import ManoPoseLoss
from handvit.models.losses.mano_shape_loss import ManoShapeLoss
from handvit.models.losses.multi_bin_loss import MultiBinLoss
from handvit.models.losses.reprojection_loss import ReprojectionLoss
from handvit.models.losses.root_loss import RootLoss
from handvit.models.losses.routing import HoldDepth, HoldDistance
from handvit.models.losses.vertex_3d_loss import Vertex3DLoss

__all__ = [
    "Axis3DLoss",
    "AxisAngleDistance",
    "GeodesicDistance",
    "HeatmapCELoss",
    "HoldDepth",
    "HoldDistance",
    "Keypoint3DLoss",
    "L1Distance",
    "L2Distance",
    "ManoPoseLoss",
    "ManoShapeLoss",
    "MultiBinLoss",
    "ReprojectionLoss",
    "RobustL1Distance",
    "RootLoss",
    "RotationMatrixDistance",
    "SmoothL1Distance",
    "Vertex3DLoss",
]
