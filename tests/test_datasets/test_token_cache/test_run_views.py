import numpy as np
import pytest
import torch

from handvit.datasets import HandClipDataset, hand_collate
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.run_views import Piece, RunPieces, cut_piece, split_runs
from handvit.structures import HandCrops


@pytest.fixture
def cut(dataset, preprocessor):
    """Return ``cut(view, start, stop, seed=0)``: the crops of some frames."""
    frames = CachedFrames.of(dataset)

    def cut(view: int, start: int, stop: int, seed: int = 0) -> HandCrops:
        pieces = RunPieces(dataset, frames, [Piece(view, start, stop)], seed=(seed, 0))
        return cut_piece(preprocessor, pieces[0])

    return cut


def test_pieces_of_a_run_are_the_whole_run(cut):
    whole = cut(0, 6, 12)
    for start, stop in ((6, 8), (8, 12), (11, 12)):
        part, kept = cut(0, start, stop), slice(start - 6, stop - 6)
        for name in ("crop", "crop_bbox_xyxy", "focal_crop", "princpt_crop", "keypoints_crop"):
            assert torch.equal(getattr(part, name), getattr(whole, name)[:, kept]), name
        assert torch.equal(part.labels.keypoints_cam, whole.labels.keypoints_cam[:, kept])
        assert torch.equal(part.labels.frame_time, whole.labels.frame_time[:, kept])


def test_a_run_is_augmented_as_a_clip_of_training(dataset, preprocessor, cut, shards_root):
    """With the same random numbers the preprocessor makes the same of a clip of all frames."""
    clips = HandClipDataset(shards_root, clip_length=6)
    frames = CachedFrames.of(dataset)
    piece = RunPieces(dataset, frames, [Piece(1, 12, 18)], seed=(0, 0))[0]
    batch = hand_collate([clips[int(frames.row[17])]])
    torch.manual_seed(piece.seed)
    expected, found = preprocessor(batch, training=True)["crops"], cut(1, 12, 18)
    assert torch.equal(found.crop, expected.crop)
    assert torch.equal(found.labels.mano.global_orient, expected.labels.mano.global_orient)
    assert found.labels.sample_id == expected.labels.sample_id


def test_all_of_a_run_share_a_camera_and_views_do_not(cut):
    one, other = cut(0, 0, 6), cut(1, 0, 6)
    focal = one.labels.focal[0]
    assert torch.equal(focal, focal[:1].expand_as(focal))
    assert not torch.equal(focal, other.labels.focal[0])
    assert not torch.equal(focal[0], cut(0, 18, 24).labels.focal[0, 0])
    assert not torch.equal(focal, cut(0, 0, 6, seed=1).labels.focal[0])
    assert torch.equal(one.crop, cut(0, 0, 6).crop)


def test_ids_are_those_of_the_frames(dataset):
    frames = CachedFrames.of(dataset)
    piece = RunPieces(dataset, frames, [Piece(0, 7, 9)], seed=(0,))[0]
    expected = [dataset.reader.read_sample(int(row)).sample_id for row in frames.row[7:9]]
    assert piece.sample_id == expected and piece.start == 1


def test_pieces_stay_in_their_run():
    run = np.array([0, 0, 0, 0, 0, 5, 6, 6])
    assert list(split_runs(run, 1, 8, length=3)) == [(1, 4), (4, 5), (5, 6), (6, 8)]
    assert list(split_runs(run, 0, 3, length=10)) == [(0, 3)]
