"""One registered term a file: ``(pred, target) -> weighted scalar``."""

from handvit.models.losses.axis_3d_loss import Axis3DLoss
from handvit.models.losses.keypoint_3d_loss import Keypoint3DLoss
from handvit.models.losses.mano_pose_loss import ManoPoseLoss
from handvit.models.losses.mano_shape_loss import ManoShapeLoss
from handvit.models.losses.reprojection_loss import ReprojectionLoss
from handvit.models.losses.root_loss import RootLoss
from handvit.models.losses.vertex_3d_loss import Vertex3DLoss

__all__ = [
    "Axis3DLoss",
    "Keypoint3DLoss",
    "ManoPoseLoss",
    "ManoShapeLoss",
    "ReprojectionLoss",
    "RootLoss",
    "Vertex3DLoss",
]
