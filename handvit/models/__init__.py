"""Everything between a crop and a hand."""

from handvit.models import backbones, heads, losses, necks
from handvit.models.hand_pose_estimator import HandPoseEstimator

__all__ = ["HandPoseEstimator", "backbones", "heads", "losses", "necks"]
