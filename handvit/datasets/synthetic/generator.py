"""Draw tracks of synthetic hands and render them into samples.

A track is one hand in T consecutive frames at 30 frames a second; a single image is a track of
one frame. Each has a random generator of its own, so what it shows depends on nothing else.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from handvit.datasets.synthetic.appearance import Look, sample_look
from handvit.datasets.synthetic.hand_rig import LABEL_DECIMALS, HandRig, PosedHand
from handvit.datasets.synthetic.picture import Backdrop, take_picture
from handvit.datasets.synthetic.props import Occluder, sample_occluder
from handvit.datasets.synthetic.renderer import render
from handvit.datasets.synthetic.scene import (
    FrameCamera,
    HandMotion,
    SceneLimits,
    sample_camera,
    sample_motion,
)
from handvit.datasets.synthetic.stored_view import StoredView, store_view
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS

FRAME_RATE = 30.0  # Hz
#: Frames that are posed, and frames that are rendered, in one go.
_FRAMES_POSED, _FRAMES_RENDERED = 64, 4


class TrackSpec(NamedTuple):
    """Name a track before it is drawn."""

    sequence: str  # second part of its sample ids
    entropy: tuple[int, ...]  # seeds its random generator
    num_frames: int


class Take(NamedTuple):
    """Hold one hand in front of one camera, with everything that the pictures show."""

    spec: TrackSpec
    hand: PosedHand
    view: StoredView
    camera: FrameCamera
    look: Look
    occluder: Occluder | None
    rng: np.random.Generator


class HandGenerator:
    """Render hands of the open hand model, half of them left.

    Args:
        limits: what may be drawn.
        image_size: side of the stored images, px.
    """

    def __init__(self, limits: SceneLimits, *, image_size: int) -> None:
        self.limits = limits
        self.image_size = image_size
        self.rig = HandRig()

    def generate(self, specs: Iterable[TrackSpec]) -> Iterator[HandSample]:
        """Yield all samples of tracks, track by track and frame by frame."""
        for group in _groups(specs):
            for take in self.draw(group):
                yield from self.film(take)

    def draw(self, specs: list[TrackSpec]) -> list[Take]:
        """Draw tracks without rendering them."""
        rngs = [np.random.default_rng(np.random.SeedSequence(spec.entropy)) for spec in specs]
        drafts = [
            self._draw_motion(rng, spec.num_frames) for rng, spec in zip(rngs, specs, strict=True)
        ]
        hands = self.rig.pose([motion for _, motion in drafts])
        return [
            self._draw_take(rng, spec, camera, hand)
            for rng, spec, (camera, _), hand in zip(rngs, specs, drafts, hands, strict=True)
        ]

    def film(self, take: Take) -> Iterator[HandSample]:
        """Render a track, frame by frame."""
        view = take.view
        mesh = self.rig.dress(take.hand, take.look, take.occluder)
        backdrop = Backdrop(take.rng, view.crop_bbox_xyxy.numpy(), self.image_size)
        for start in range(0, take.spec.num_frames, _FRAMES_RENDERED):
            frames = slice(start, start + _FRAMES_RENDERED)
            images = render(
                mesh.frames(frames),
                take.look.lighting,
                focal=view.focal[frames],
                princpt=view.princpt[frames],
                size=self.image_size,
            )
            for frame, rgba in enumerate(images, start):
                behind = backdrop.crop(view.crop_bbox_xyxy[frame].numpy())
                picture = take_picture(take.rng, rgba, behind, take.look)
                yield self._sample(take, frame, picture)

    def _draw_motion(
        self, rng: np.random.Generator, num_frames: int
    ) -> tuple[FrameCamera, HandMotion]:
        camera = sample_camera(rng, self.limits)
        times = np.arange(num_frames) / FRAME_RATE
        return camera, sample_motion(rng, self.limits, camera, times)

    def _draw_take(
        self, rng: np.random.Generator, spec: TrackSpec, camera: FrameCamera, hand: PosedHand
    ) -> Take:
        occluder = None
        if rng.random() < self.limits.occluder_fraction:
            occluder = sample_occluder(rng, hand.keypoints_cam)
        if rng.random() < 0.5:
            hand, camera = hand.mirrored(), camera.mirrored()
        view = store_view(rng, hand, camera, self.image_size)
        return Take(spec, hand, view, camera, sample_look(rng, self.rig.paint), occluder, rng)

    def _sample(self, take: Take, frame: int, picture: bytes) -> HandSample:
        hand, view = take.hand, take.view
        side = "right" if hand.is_right else "left"
        return HandSample(
            sample_id=f"synthetic/{take.spec.sequence}/cam0/{frame:06d}/{side}",
            image=picture,
            image_size=(self.image_size, self.image_size),
            is_right=hand.is_right,
            bbox_xyxy=view.bbox_xyxy[frame].numpy(),
            focal=view.focal[frame].numpy(),
            princpt=view.princpt[frame].numpy(),
            camera_valid=True,
            frame_time=frame / FRAME_RATE,
            keypoints_img=view.keypoints_img[frame].numpy(),
            keypoints_img_valid=np.ones(NUM_KEYPOINTS, bool),
            keypoints_cam=hand.keypoints_cam[frame].double().round(decimals=LABEL_DECIMALS).numpy(),
            keypoints_cam_valid=np.ones(NUM_KEYPOINTS, bool),
            mano_valid=True,
            global_orient=hand.global_orient[frame].numpy(),
            hand_pose=hand.hand_pose[frame].flatten().numpy(),
            betas=hand.betas[frame].numpy(),
            mano_root_cam=hand.root_cam[frame].numpy(),
            extra={
                "frame_focal": round(float(take.camera.focal[0]), 2),
                "frame_size": take.camera.size.astype(int).tolist(),
                "crop_bbox_xyxy": view.crop_bbox_xyxy[frame].round(decimals=2).tolist(),
                "has_occluder": take.occluder is not None,
            },
        )


def _groups(specs: Iterable[TrackSpec]) -> Iterator[list[TrackSpec]]:
    """Cut tracks into groups that are worth posing together."""
    group, num_frames = [], 0
    for spec in specs:
        group.append(spec)
        num_frames += spec.num_frames
        if num_frames >= _FRAMES_POSED:
            yield group
            group, num_frames = [], 0
    if group:
        yield group
