import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.registry import FUNCTIONS

SHAPES = {
    "is_right": (),
    "bbox_xyxy": (4,),
    "focal": (2,),
    "princpt": (2,),
    "camera_valid": (),
    "frame_time": (),
    "frame_valid": (),
    "keypoints_img": (21, 2),
    "keypoints_img_valid": (21,),
    "keypoints_cam": (21, 3),
    "keypoints_cam_valid": (21,),
    "mano_valid": (),
}
BOOLS = {name for name in SHAPES if name.endswith("_valid")} | {"is_right"}


@pytest.fixture(scope="module")
def clips(shards_root):
    dataset = HandClipDataset(shards_root, clip_length=3)
    return [dataset[index] for index in (0, 4, 8, 20)]  # images 96 and 104 px wide


def test_is_registered():
    assert FUNCTIONS.get("hand_collate") is hand_collate


def test_shapes_and_dtypes(clips):
    batch = hand_collate(clips)
    assert batch.image.shape == (4, 3, 3, 80, 104) and batch.image.dtype == torch.uint8
    assert batch.image_size.shape == (4, 3, 2) and batch.image_size.dtype == torch.float32
    for name, shape in SHAPES.items():
        tensor = getattr(batch.labels, name)
        assert tensor.shape == (4, 3, *shape), name
        double = torch.float64 if name == "frame_time" else torch.float32
        assert tensor.dtype == (torch.bool if name in BOOLS else double), name
    mano = batch.labels.mano
    assert mano.global_orient.shape == (4, 3, 3, 3)
    assert mano.hand_pose.shape == (4, 3, 15, 3, 3)
    assert mano.betas.shape == (4, 3, 10) and mano.root_cam.shape == (4, 3, 3)
    assert {tensor.dtype for tensor in mano} == {torch.float32}


def test_values_are_those_of_the_samples(clips):
    labels = hand_collate(clips).labels
    for b, clip in enumerate(clips):
        assert labels.sample_id[b] == clip.samples[-1].sample_id
        np.testing.assert_array_equal(labels.frame_valid[b], clip.frame_valid)
        for t, sample in enumerate(clip.samples):
            for name in SHAPES.keys() - {"frame_valid"}:
                expected = getattr(sample, name)
                np.testing.assert_allclose(getattr(labels, name)[b, t], expected, rtol=1e-6)
            assert labels.frame_time[b, t].item() == sample.frame_time
            finger_pose = Rotation.from_rotvec(sample.hand_pose.reshape(15, 3)).as_matrix()
            np.testing.assert_allclose(labels.mano.hand_pose[b, t], finger_pose, atol=1e-6)
            orient = Rotation.from_rotvec(sample.global_orient).as_matrix()
            np.testing.assert_allclose(labels.mano.global_orient[b, t], orient, atol=1e-6)
            np.testing.assert_allclose(labels.mano.betas[b, t], sample.betas, rtol=1e-6)
            np.testing.assert_allclose(labels.mano.root_cam[b, t], sample.mano_root_cam, rtol=1e-6)


def test_images_are_padded_at_the_right_and_bottom(clips):
    batch = hand_collate(clips)
    for b, clip in enumerate(clips):
        for t, image in enumerate(clip.images):
            height, width, _ = image.shape
            assert batch.image_size[b, t].tolist() == [width, height]
            stored = batch.image[b, t].permute(1, 2, 0).numpy()
            np.testing.assert_array_equal(stored[:height, :width], image)
            assert not stored[height:].any() and not stored[:, width:].any()
    assert batch.image_size[:, :, 0].unique().tolist() == [96, 104]


def test_missing_mano_becomes_identities(make_shards):
    dataset = HandClipDataset(make_shards(hand_model=None))
    clip = dataset[0]
    clip.samples[0].hand_pose[:] = 0
    labels = hand_collate([clip]).labels
    assert not labels.mano_valid.any()
    assert (labels.mano.hand_pose == torch.eye(3)).all()


def test_last_frame_of_a_clip_is_the_single_frame(shards_root, clips):
    single = HandClipDataset(shards_root)
    expected = hand_collate([single[index] for index in (0, 4, 8, 20)]).labels
    actual = hand_collate(clips).labels.last_frame()
    assert actual.sample_id == expected.sample_id
    assert (actual.keypoints_cam == expected.keypoints_cam).all()
    assert (actual.mano.hand_pose == expected.mano.hand_pose).all()


def test_clips_of_different_length_do_not_mix(shards_root, clips):
    with pytest.raises(AssertionError, match="one length"):
        hand_collate([clips[0], HandClipDataset(shards_root)[0]])
