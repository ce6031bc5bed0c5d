import numpy as np
import pytest

from handvit.datasets.converters.interhand26m.times import frame_times
from handvit.datasets.converters.interhand_images import image_table


def table(*frames_of, cameras=("400026",)):
    """One capture for each argument, a mapping from sequence to frames."""
    rows = [
        (capture, f"Capture{capture}-{sequence}", camera, frame)
        for capture, sequences in enumerate(frames_of)
        for sequence, frames in sequences.items()
        for camera in cameras
        for frame in frames
    ]
    names = ("capture", "sequence", "camera", "frame")
    return image_table(dict(zip(names, zip(*rows, strict=True), strict=True)))


@pytest.mark.parametrize("fps, gap", [(5, 18), (5, 6), (30, 3), (30, 1)])
def test_neighbours_lie_one_frame_of_the_release_apart(fps, gap):
    frames = 1000 + gap * np.array([0, 1, 2, 5, 6])  # some are missing
    found = frame_times(table({"a": frames.tolist()}), fps)
    np.testing.assert_allclose(found * fps, [0, 1, 2, 5, 6])


def test_time_begins_with_the_sequence_in_all_cameras():
    images = table({"a": [1000, 1018, 1036], "b": [7000, 7018]}, cameras=("400026", "410053"))
    keep = ~((images["camera"] == b"410053") & (images["frame"] == 1000))
    found = frame_times(images[keep], 5)
    np.testing.assert_allclose(found * 5, [0, 1, 2, 1, 2, 0, 1, 0, 1])


def test_captures_have_their_own_camera_rate():
    found = frame_times(table({"a": [0, 18, 36]}, {"a": [0, 6, 12]}), 5)
    np.testing.assert_allclose(found * 5, [0, 1, 2, 0, 1, 2])


def test_single_images_are_at_the_start():
    assert frame_times(table({"a": [69148]}, {"a": [29590]}), 5).tolist() == [0, 0]


@pytest.mark.parametrize("fps, gap", [(30, 18), (30, 6), (5, 3), (5, 1)])
def test_wrong_release_is_refused(fps, gap):
    images = table({"a": [1000, 1000 + gap, 1000 + 2 * gap]})
    with pytest.raises(ValueError, match=rf"--fps {fps}: most frames lie {gap} apart"):
        frame_times(images, fps)
