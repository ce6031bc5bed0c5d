from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.shards.shard_reader import ShardReader
from handvit.evaluation.data_labels import read_ground_truth, read_mano, rows_of, sort_by_id
from handvit.evaluation.predictions import PredictionFile, PredictionHeader


@pytest.fixture(scope="module")
def reader(shards_root) -> ShardReader:
    return ShardReader(shards_root)


def make_file(truth) -> PredictionFile:
    num_hands = len(truth)
    return PredictionFile(
        header=PredictionHeader(hand_model="", config="", checkpoint=""),
        sample_id=truth.sample_id,
        frame_time=truth.frame_time,
        is_right=truth.is_right,
        keypoints_cam=truth.keypoints_cam,
        root_cam=truth.keypoints_cam[:, 0],
        global_orient=np.zeros((num_hands, 3)),
        hand_pose=np.zeros((num_hands, 45)),
        betas=np.zeros((num_hands, 10)),
        focal=truth.focal,
        princpt=truth.princpt,
        bbox_xyxy=truth.bbox_xyxy,
    )


def test_all_hands_are_read(reader):
    truth = read_ground_truth(reader)
    assert len(truth) == len(reader) == 24
    sample = reader.read_sample(13)
    assert truth.sample_id[13] == sample.sample_id and truth.is_right[13] == sample.is_right
    assert (truth.keypoints_cam[13] == sample.keypoints_cam).all()
    assert (truth.focal[13] == sample.focal).all()


def test_some_hands_are_read_evenly(reader):
    everyone, some = read_ground_truth(reader), read_ground_truth(reader, max_hands=4)
    assert some.sample_id.tolist() == everyone.sample_id[[0, 8, 15, 23]].tolist()
    assert len(read_ground_truth(reader, max_hands=100)) == 24


def test_mano_labels_become_matrices(reader):
    mano, valid = read_mano(reader, np.array([20, 3]))
    sample = reader.read_sample(20)
    assert valid.tolist() == [True, True]
    assert np.allclose(
        mano.global_orient[0], Rotation.from_rotvec(sample.global_orient).as_matrix()
    )
    expected = Rotation.from_rotvec(sample.hand_pose.reshape(15, 3)).as_matrix()
    assert np.allclose(mano.hand_pose[0], expected)
    assert np.array_equal(mano.betas[0], sample.betas)
    assert np.array_equal(mano.root_cam[0], sample.mano_root_cam)


def test_files_come_into_one_order(truth):
    order = np.random.default_rng(0).permutation(21)
    files = sort_by_id({"a": make_file(truth.select(order)), "b": make_file(truth)})
    assert files["a"].sample_id.tolist() == files["b"].sample_id.tolist()
    assert (files["a"].keypoints_cam == files["b"].keypoints_cam).all()


def test_files_of_other_hands_are_refused(truth):
    files = {"stage1": make_file(truth), "stage2": make_file(truth.select(np.arange(20)))}
    expected = rf"stage1 holds 21 hands and stage2 20, and 1 .* such as '{truth.sample_id[20]}'"
    with pytest.raises(ValueError, match=expected):
        sort_by_id(files)
    renamed = np.char.replace(truth.sample_id, "toy", "play")
    files["stage2"] = make_file(replace(truth, sample_id=renamed))
    with pytest.raises(ValueError, match="21 hands and stage2 21, and 42 are in one"):
        sort_by_id(files)


def test_rows_are_found_by_id(truth):
    wanted = truth.sample_id[[5, 2, 19]]
    assert rows_of(wanted, truth, "data/toy").tolist() == [5, 2, 19]
    with pytest.raises(ValueError, match="data/toy: lacks 1 of the 3 predicted hands, such as"):
        rows_of(wanted, truth.select(np.arange(19)), "data/toy")
