"""Pose hands and dress them: mesh, keypoints, forearm and the labels that belong to them."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.datasets.synthetic.appearance import Look
from handvit.datasets.synthetic.hand_paint import hand_paint
from handvit.datasets.synthetic.pose_sampling import angles_to_axis_angle, joint_frames
from handvit.datasets.synthetic.props import (
    Occluder,
    forearm_albedo,
    forearm_faces,
    forearm_rings,
    wrist_loop,
)
from handvit.datasets.synthetic.renderer import SceneMesh
from handvit.datasets.synthetic.scene import HandMotion
from handvit.geometry.rotation import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    mirror_axis_angle,
)
from handvit.hand_models import ManoLayer

_MIRROR = torch.tensor([-1.0, 1.0, 1.0])
#: Labels are stored to the micrometre and microradian, which halves their size on disk.
LABEL_DECIMALS = 6


class PosedHand(NamedTuple):
    """Hold a hand over T frames; pose and mesh agree to rounding."""

    is_right: bool
    global_orient: Tensor  # (T, 3) float64 axis-angle, camera axes
    hand_pose: Tensor  # (T, 15, 3) float64 axis-angle
    betas: Tensor  # (T, 10) float64
    root_cam: Tensor  # (T, 3) float64 metres
    keypoints_cam: Tensor  # (T, 21, 3) float32
    vertices_cam: Tensor  # (T, 778, 3) float32

    def mirrored(self) -> "PosedHand":
        """Return the hand of the other side that is this one's mirror image in x."""
        return PosedHand(
            is_right=not self.is_right,
            global_orient=mirror_axis_angle(self.global_orient),
            hand_pose=mirror_axis_angle(self.hand_pose),
            betas=self.betas,
            root_cam=self.root_cam * _MIRROR,
            keypoints_cam=self.keypoints_cam * _MIRROR,
            vertices_cam=self.vertices_cam * _MIRROR,
        )


class HandRig:
    """Turn drawn motions into meshes of the open hand."""

    def __init__(self) -> None:
        self._mano = ManoLayer()
        asset = self._mano.asset
        self._frames = joint_frames(asset)
        self._loop = wrist_loop(asset.faces)
        arm = forearm_faces(self._loop, first_vertex=len(asset.v_template))
        self._faces = torch.from_numpy(np.concatenate([asset.faces, arm]))
        self.paint = hand_paint(asset)

    def pose(self, motions: list[HandMotion]) -> list[PosedHand]:
        """Pose all frames of several right hands in one go."""
        lengths = [len(motion.root_cam) for motion in motions]
        angles = np.concatenate([motion.angles for motion in motions])
        orient = torch.cat([motion.global_orient for motion in motions])
        betas = np.repeat([motion.betas for motion in motions], lengths, axis=0)
        root = np.concatenate([motion.root_cam for motion in motions])
        labels = (
            matrix_to_axis_angle(orient),
            angles_to_axis_angle(angles, self._frames),
            torch.from_numpy(betas),
            torch.from_numpy(root),
        )
        labels = [label.round(decimals=LABEL_DECIMALS) for label in labels]
        orient, pose, betas, root = (label.float() for label in labels)
        with torch.no_grad():
            mesh = self._mano(axis_angle_to_matrix(orient), axis_angle_to_matrix(pose), betas)
        columns = (*labels, mesh.keypoints_rel + root[:, None], mesh.vertices_rel + root[:, None])
        tracks = zip(*(column.split(lengths) for column in columns), strict=True)
        return [PosedHand(True, *track) for track in tracks]

    def dress(self, hand: PosedHand, look: Look, occluder: Occluder | None) -> SceneMesh:
        """Add forearm, colours and occluder to a hand of either side.

        Args:
            occluder: in the camera of the right hand that ``hand`` is or mirrors.
        """
        right = hand if hand.is_right else hand.mirrored()
        vertices = [right.vertices_cam, self._forearm(right, look)]
        albedo = [look.skin, forearm_albedo(look.skin, self._loop, look.sleeve)]
        gloss = [torch.full((len(look.skin),), look.gloss), torch.zeros(len(albedo[1]))]
        faces = [self._faces]
        if occluder is not None:
            faces.append(occluder.faces + sum(len(part) for part in albedo))
            vertices.append(occluder.vertices_cam)
            albedo.append(occluder.albedo)
            gloss.append(torch.zeros(len(occluder.albedo)))
        faces, vertices = torch.cat(faces), torch.cat(vertices, dim=1)
        if not hand.is_right:
            faces, vertices = faces.flip(1), vertices * _MIRROR
        return SceneMesh(vertices, faces, torch.cat(albedo), torch.cat(gloss), hand.keypoints_cam)

    def _forearm(self, hand: PosedHand, look: Look) -> Tensor:
        """Return the forearm of a right hand, (T, R * 16, 3) metres."""
        rotation = axis_angle_to_matrix(hand.global_orient).float()  # (T, 3, 3)
        root = hand.root_cam.float()[:, None]  # (T, 1, 3)
        loop = (hand.vertices_cam[0, self._loop] - root[0]) @ rotation[0]  # into the hand's axes
        rings = forearm_rings(loop, look.wrist_bend, look.sleeve is not None)
        return rings @ rotation.transpose(1, 2) + root
