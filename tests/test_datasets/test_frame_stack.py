import numpy as np
import pytest

from handvit.datasets.frame_stack import FrameStack, LooseFrames


def _image(height, width, value):
    return np.full((height, width, 3), value, np.uint8)


def test_frames_of_one_size_are_not_copied_again():
    stack = FrameStack(3)
    images = [stack.put(number, _image(4, 5, number)) for number in (0, 1, 2)]
    frames = stack.complete(images)
    assert frames.shape == (3, 4, 5, 3)
    assert all(np.shares_memory(image, frames) for image in images)
    assert (
        [int(frame.max()) for frame in frames]
        == [int(frame.min()) for frame in frames]
        == [0, 1, 2]
    )


def test_a_frame_that_stands_in_for_others_is_copied():
    stack = FrameStack(3)
    image = stack.put(0, _image(4, 5, 9))
    last = stack.put(2, _image(4, 5, 8))
    assert stack.complete([image, image, last])[:, 0, 0, 0].tolist() == [9, 9, 8]


def test_a_clip_that_is_read_again_replaces_its_frames():
    stack = FrameStack(2)
    stack.put(0, _image(4, 5, 1))
    images = [stack.put(0, _image(4, 5, 2)), stack.put(1, _image(4, 5, 3))]
    assert stack.complete(images)[:, 0, 0, 0].tolist() == [2, 3]


@pytest.mark.parametrize(
    "sizes", [[(4, 5), (6, 3), (4, 5)], [(6, 5), (4, 5), (2, 2)], [(2, 2)] * 3]
)
def test_frames_of_several_sizes_are_padded(sizes):
    stack = FrameStack(3)
    originals = [_image(*size, number + 1) for number, size in enumerate(sizes)]
    images = [stack.put(number, image) for number, image in enumerate(originals)]
    frames = stack.complete(images)
    assert frames.shape[1:3] == tuple(np.max(sizes, axis=0))
    for frame, (height, width), image in zip(frames, sizes, originals, strict=True):
        np.testing.assert_array_equal(frame[:height, :width], image)
        assert not frame[height:].any() and not frame[:, width:].any()


def test_images_that_were_never_put_are_stacked():
    frames = FrameStack(2).complete([_image(4, 5, 1), _image(4, 5, 2)])
    assert frames[:, 0, 0, 0].tolist() == [1, 2]


def test_loose_frames_stay_where_they_are():
    image = _image(4, 5, 1)
    assert LooseFrames().put(3, image) is image
