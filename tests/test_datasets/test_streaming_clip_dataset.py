from collections import Counter
from itertools import islice

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from handvit.datasets import streaming_clip_dataset
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.datasets.shards import bad_samples
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_writer import ShardWriter
from handvit.datasets.streaming_clip_dataset import ENDLESS, StreamingClipDataset
from handvit.registry import DATASETS

INFO = DatasetInfo(name="pairs", split="train", source="random", license="CC0-1.0")


@pytest.fixture(scope="module")
def pairs_root(tmp_path_factory, make_sample):
    """Six recordings of 8 frames, each in a shard of its own; the hands of a frame alternate."""
    root = tmp_path_factory.mktemp("stream") / "pairs"
    with ShardWriter(root, info=INFO, max_samples=16) as writer:
        for recording in range(6):
            for frame in range(8):
                for track in (2 * recording, 2 * recording + 1):
                    sample = make_sample(track=track, frame=frame)
                    sample.mano_valid = False
                    writer.add(sample)
    return root


def _stream(root, **arguments):
    return StreamingClipDataset(f"{root}/{{file}}", **{"num_epochs": 1, **arguments})


def _id(clip):
    return clip.samples[-1].sample_id


def _ids(clips):
    return [_id(clip) for clip in clips]


def _assert_same_clip(actual, expected):
    assert actual.frame_valid.tolist() == expected.frame_valid.tolist()
    for image, other in zip(actual.images, expected.images, strict=True):
        np.testing.assert_array_equal(image, other)
    for sample, other in zip(actual.samples, expected.samples, strict=True):
        for name, value in vars(other).items():
            np.testing.assert_equal(getattr(sample, name), value)


def _as_rank(monkeypatch, rank, world_size):
    monkeypatch.setattr(streaming_clip_dataset, "get_dist_info", lambda: (rank, world_size))


@pytest.mark.parametrize("shuffle_buffer", [1, 5, 1000])
@pytest.mark.parametrize(("clip_length", "stride"), [(1, 1), (7, 1), (3, 2)])
def test_gives_the_clips_of_the_indexed_reader(pairs_root, clip_length, stride, shuffle_buffer):
    arguments = {"clip_length": clip_length, "stride": stride}
    indexed = HandClipDataset(pairs_root, **arguments)
    expected = {_id(indexed[i]): indexed[i] for i in range(len(indexed))}
    streamed = list(_stream(pairs_root, shuffle_buffer=shuffle_buffer, **arguments))
    assert len(streamed) == len(expected) == 96
    for clip in streamed:
        _assert_same_clip(clip, expected.pop(_id(clip)))
    assert not expected


def test_metainfo_and_length(pairs_root, shards_root):
    stream = _stream(shards_root, num_epochs=2)
    assert stream.metainfo == HandClipDataset(shards_root).metainfo
    assert len(stream) == 48 and len(_stream(pairs_root, num_epochs=None)) == ENDLESS


def test_a_track_begins_anew_in_the_next_shard(shards_root):
    """Shards of 10, 10 and 4 samples hold tracks of 6: 6 + 4, 2 + 6 + 2, 4."""
    clips = list(_stream(shards_root, clip_length=3, shuffle_buffer=1))
    firsts = [_id(clip) for clip in clips if clip.frame_valid.tolist() == [False, False, True]]
    frames = sorted(int(name.split("/")[3]) for name in firsts)
    assert frames == [0, 0, 0, 0, 2, 4]
    assert Counter(_ids(clips)) == Counter(_ids(_stream(shards_root)))


def test_order_depends_on_seed_and_epoch(pairs_root):
    first = _ids(_stream(pairs_root, seed=3, num_epochs=2))
    assert _ids(_stream(pairs_root, seed=3, num_epochs=2)) == first
    assert _ids(_stream(pairs_root, seed=4, num_epochs=2)) != first
    assert sorted(first[:96]) == sorted(first[96:]) and first[:96] != first[96:]
    assert _ids(islice(_stream(pairs_root, seed=3, num_epochs=None), 192)) == first


def test_buffer_of_one_keeps_the_order_of_the_tar(pairs_root):
    ids = _ids(_stream(pairs_root, shuffle_buffer=1))
    indexed = HandClipDataset(pairs_root)
    stored = [_id(indexed[i]) for i in range(96)]
    shards = [tuple(ids[start : start + 16]) for start in range(0, 96, 16)]
    assert sorted(shards) == sorted(tuple(stored[start : start + 16]) for start in range(0, 96, 16))
    assert ids != stored  # shards come in random order, another one with each seed and epoch
    assert ids != _ids(_stream(pairs_root, shuffle_buffer=1, seed=1))
    assert ids != _ids(_stream(pairs_root, shuffle_buffer=1, num_epochs=2))[96:]


@pytest.mark.parametrize(("world_size", "num_workers"), [(1, 0), (2, 0), (4, 0), (7, 0), (2, 2)])
def test_lanes_share_an_epoch(pairs_root, monkeypatch, world_size, num_workers):
    """However many they are, and even where some of them have no shard."""
    ids = []
    for rank in range(world_size):
        _as_rank(monkeypatch, rank, world_size)
        loader = DataLoader(
            _stream(pairs_root), batch_size=3, num_workers=num_workers, collate_fn=_ids
        )
        ids += [name for batch in loader for name in batch]
    every = HandClipDataset(pairs_root)
    assert Counter(ids) == Counter(_id(every[i]) for i in range(96))


def test_too_many_workers_for_the_shards_would_wait_for_ever(pairs_root, monkeypatch):
    _as_rank(monkeypatch, 0, 7)
    with pytest.raises(ValueError, match=r"num_workers: 1 in 7 processes.* only 6 shards"):
        next(iter(_stream(pairs_root, num_epochs=None)))


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("num_workers", [0, 2, 3])
@pytest.mark.parametrize("num_batches", [1, 7, 65])
def test_resuming_continues_the_uninterrupted_run(pairs_root, num_workers, num_batches):
    def loader():
        dataset = _stream(pairs_root, clip_length=2, shuffle_buffer=20, num_epochs=None)
        return DataLoader(
            dataset,
            batch_size=3,
            num_workers=num_workers,
            persistent_workers=num_workers > 0,
            collate_fn=hand_collate,
        )

    whole = list(islice(loader(), num_batches + 8))
    resumed = loader()
    iter(resumed)  # as MMEngine's loop does: workers run before it knows where to start
    resumed.dataset.set_start(num_batches, batch_size=3)
    for expected, actual in zip(whole[num_batches:], islice(resumed, 8), strict=True):
        assert actual.labels.sample_id == expected.labels.sample_id
        assert (actual.image == expected.image).all()
        assert (actual.labels.keypoints_cam == expected.labels.keypoints_cam).all()


def test_resuming_reads_no_old_epochs_and_decodes_no_old_clips(pairs_root, monkeypatch):
    decoded, opened = [], []
    decode = streaming_clip_dataset.decode_image
    monkeypatch.setattr(
        streaming_clip_dataset, "decode_image", lambda *a: (decoded.append(0), decode(*a))[1]
    )
    dataset = _stream(pairs_root, num_epochs=None)
    read = dataset.stream.samples
    monkeypatch.setattr(
        dataset.stream, "samples", lambda shard, bad: (opened.append(shard), read(shard, bad))[1]
    )
    dataset.set_start(1000, batch_size=10)  # 104 epochs of 96, and 16
    next(iter(dataset))
    assert len(decoded) == 1 and len(opened) == 6


def _spoil_images(tar, numbers):
    """Overwrite the start of images inside a tar."""
    content = bytearray(tar.read_bytes())
    for number in numbers:
        start = content.index(f"{tar.stem[-6:]}{number:06d}.jpg".encode()) + 512
        content[start : start + 64] = bytes(64)
    tar.write_bytes(bytes(content))


def test_bad_images_are_skipped_counted_and_limited(make_shards, monkeypatch):
    log = []
    monkeypatch.setattr(bad_samples, "print_log", lambda text, **_: log.append(text))
    root = make_shards()
    _spoil_images(root / "shard-000001.tar", (3, 4))
    with pytest.raises(ShardError, match=r"shard-000001.tar: sample [34]: .*not decode"):
        list(_stream(root))
    with pytest.raises(ShardError, match="more than max_bad_samples=1 unreadable"):
        list(_stream(root, max_bad_samples=1))
    log.clear()
    assert len(list(_stream(root, max_bad_samples=2, num_epochs=3))) == 3 * 22
    assert len(log) == 2  # the same ones in later epochs are no news


def test_a_truncated_shard_is_no_short_epoch(make_shards):
    root = make_shards()
    tar = root / "shard-000000.tar"
    tar.write_bytes(tar.read_bytes()[:30_000])
    with pytest.raises(ShardError, match=r"shard-000000.tar: not readable after \d of 10 samples"):
        list(_stream(root))
    loader = DataLoader(_stream(root), num_workers=1, batch_size=4, collate_fn=_ids)
    with pytest.raises(ShardError, match=r"shard-000000.tar: not readable after \d of 10 samples"):
        list(loader)
    kept = _ids(_stream(root, max_bad_samples=10))
    assert 14 < len(kept) == len(set(kept)) < 24


def test_no_clip_skips_an_unreadable_frame_unnoticed(pairs_root, tmp_path):
    root = tmp_path / "pairs"
    root.mkdir()
    for file in pairs_root.iterdir():
        (root / file.name).write_bytes(file.read_bytes())
    tar = root / "shard-000000.tar"  # sample 6 is frame 3 of the first hand
    content = tar.read_bytes()
    start = content.index(b"000000000006.json") + 512
    tar.write_bytes(content[:start] + b"?" + content[start + 1 :])
    clips = list(_stream(root, clip_length=3, shuffle_buffer=1, max_bad_samples=1))
    assert len(clips) == 95
    for clip in clips:
        times = np.array([sample.frame_time for sample in clip.samples])[clip.frame_valid]
        np.testing.assert_allclose(np.diff(times), 1 / 30)


def test_nothing_readable_is_an_error_not_a_wait_without_end(make_shards):
    root = make_shards(num_tracks=1, num_frames=2)
    _spoil_images(root / "shard-000000.tar", (0, 1))
    with pytest.raises(ShardError, match=r"tiny: nothing is readable in .*shard-000000.tar"):
        next(iter(_stream(root, num_epochs=None, max_bad_samples=10)))


def test_frames_out_of_order_are_refused_for_clips_only(tmp_path, make_sample):
    with ShardWriter(tmp_path, info=INFO) as writer:
        for frame in (1, 0):
            sample = make_sample(frame=frame)
            sample.mano_valid = False
            writer.add(sample)
    assert len(list(_stream(tmp_path))) == 2
    with pytest.raises(ShardError, match=r"shard-000000.tar: sample 1: .*does not come after"):
        list(_stream(tmp_path, clip_length=2, max_bad_samples=5))


@pytest.mark.parametrize("name", ["clip_length", "stride", "shuffle_buffer", "num_epochs"])
def test_numbers_start_at_one(shards_root, name):
    with pytest.raises(ValueError, match=f"{name}: 0"):
        _stream(shards_root, **{name: 0})


def test_runner_builds_the_loader_from_a_config(pairs_root):
    config = {
        "batch_size": 4,
        "num_workers": 0,
        "sampler": None,
        "collate_fn": {"type": "handvit.hand_collate"},
        "dataset": {
            "type": "StreamingClipDataset",
            "url": f"pipe:cat {pairs_root}/{{file}}",
            "clip_length": 3,
        },
    }
    with DefaultScope.overwrite_default_scope("handvit"):
        loader = Runner.build_dataloader(config, seed=5)
    assert isinstance(loader.dataset, DATASETS.get("StreamingClipDataset"))
    assert next(iter(loader)).image.shape[:2] == (4, 3)
