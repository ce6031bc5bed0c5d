"""Importing this package registers the project's parts."""

from projects.example_project.models.bone_length_loss import BoneLengthLoss
from projects.example_project.models.quaternion_pose_head import QuaternionPoseHead

__all__ = ["BoneLengthLoss", "QuaternionPoseHead"]
