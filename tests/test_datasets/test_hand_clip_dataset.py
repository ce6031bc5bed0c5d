import os
import re
import shutil

import numpy as np
import pytest
from torch.utils.data import DataLoader

from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.datasets.shards import bad_samples
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_writer import ShardWriter
from handvit.registry import DATASETS

INFO = DatasetInfo(
    name="tiny", split="test", source="random", license="CC0-1.0", hand_model="openhand"
)


def _ids(clip):
    return [sample.sample_id for sample in clip.samples]


def _spoil_image(root, key):
    """Overwrite the start of an image inside its tar."""
    (tar,) = root.glob(f"shard-{key[:6]}.tar")
    content = tar.read_bytes()
    start = content.index(f"{key}.jpg".encode()) + 512
    tar.write_bytes(content[:start] + bytes(64) + content[start + 64 :])


def test_built_from_a_config(shards_root):
    dataset = DATASETS.build({"type": "HandClipDataset", "data_root": str(shards_root)})
    assert dataset.metainfo == {
        "name": "tiny",
        "split": "train",
        "hand_model": "openhand",
        "fingertips": "smplx",
    }
    assert len(dataset) == 24
    (sample,), (image,), frame_valid = dataset[7]
    np.testing.assert_array_equal(image, decode_image(sample.image, sample.image_size))
    assert frame_valid.tolist() == [True]


@pytest.mark.parametrize("stride", [1, 2])
def test_clips_of_all_lengths_end_in_the_same_frames(shards_root, stride):
    single = HandClipDataset(shards_root)
    clips = HandClipDataset(shards_root, clip_length=7, stride=stride)
    assert len(single) == len(clips) == 24
    for index in range(24):
        (expected,), clip = single[index].samples, clips[index]
        assert clip.samples[-1].sample_id == expected.sample_id
        assert len({sample.track for sample in clip.samples}) == 1
        assert len(clip.images) == 7 and clip.frame_valid[-1]
        frame = index % 6  # 6 frames a track
        assert clip.frame_valid.sum() == frame // stride + 1
        times = [sample.frame_time for sample in clip.samples]
        valid_times = np.array(times)[clip.frame_valid]
        np.testing.assert_allclose(np.diff(valid_times), stride / 30)
        assert set(np.array(times)[~clip.frame_valid]) <= {valid_times[0]}


def test_tracks_never_mix_sides_cameras_or_sequences(tmp_path, make_sample):
    names = ("a/s0/c0/{}/right", "a/s0/c0/{}/left", "a/s0/c1/{}/right", "a/s1/c0/{}/right")
    with ShardWriter(tmp_path, info=INFO, max_samples=5) as writer:
        for frame in range(3):
            for name in names:
                sample = make_sample(frame=frame)
                sample.sample_id = name.format(frame)
                sample.is_right = name.endswith("right")
                writer.add(sample)
    dataset = HandClipDataset(tmp_path, clip_length=3)
    for index in range(12):
        clip = dataset[index]
        frame, name = index // 4, names[index % 4]
        expected = [name.format(max(0, frame - back)) for back in (2, 1, 0)]
        assert _ids(clip) == expected


def test_gap_starts_the_history_anew(tmp_path, make_sample):
    with ShardWriter(tmp_path, info=INFO) as writer:
        for frame in (0, 1, 40, 41):
            writer.add(make_sample(frame=frame))
    assert HandClipDataset(tmp_path, clip_length=3)[2].frame_valid.tolist() == [0, 0, 1]
    patient = HandClipDataset(tmp_path, clip_length=3, max_frame_gap=2.0)
    assert patient[2].frame_valid.all()


def test_indices_choose_the_predicted_frames(shards_root):
    assert len(HandClipDataset(shards_root, indices=5)) == 5
    dataset = HandClipDataset(shards_root, indices=[8, 3], clip_length=2)
    whole = HandClipDataset(shards_root, clip_length=2)
    assert [_ids(dataset[0]), _ids(dataset[1])] == [_ids(whole[8]), _ids(whole[3])]
    assert dataset.columns.tolist() == whole.columns[[8, 3]].tolist()
    for indices in (25, 0, [], [24], [-1]):
        with pytest.raises(ValueError, match=r"indices: .*24 frames"):
            HandClipDataset(shards_root, indices=indices)


@pytest.mark.parametrize("name", ["clip_length", "stride"])
def test_lengths_start_at_one(shards_root, name):
    with pytest.raises(ValueError, match=f"{name}: 0"):
        HandClipDataset(shards_root, **{name: 0})


def test_frames_without_an_order_are_refused_for_clips_only(tmp_path, make_sample):
    with ShardWriter(tmp_path, info=INFO) as writer:
        for frame in range(3):
            sample = make_sample(frame=frame)
            sample.frame_time = 0.0
            writer.add(sample)
    assert len(HandClipDataset(tmp_path)) == 3
    with pytest.raises(ShardError, match=r"key '00000000000\d'.*sequence0/cam0/right.*two frames"):
        HandClipDataset(tmp_path, clip_length=2)


def test_unreadable_image_names_shard_and_key(make_shards):
    root = make_shards()
    _spoil_image(root, "000001000003")
    with pytest.raises(ShardError, match=r"shard-000001.tar: key '000001000003'.*damaged"):
        HandClipDataset(root)[13]


def test_image_of_another_size_than_stated(tmp_path, make_sample):
    sample = make_sample()
    sample.image_size = (80, 96)
    with ShardWriter(tmp_path, info=INFO) as writer:
        writer.add(sample)
    with pytest.raises(ShardError, match=r"key '000000000000'.*decodes to 96 x 80"):
        HandClipDataset(tmp_path)[0]


def test_bad_samples_are_skipped_counted_and_limited(make_shards, monkeypatch):
    log = []
    monkeypatch.setattr(bad_samples, "print_log", lambda text, **_: log.append(text))
    root = make_shards()
    for row in (21, 22, 23):
        _spoil_image(root, f"000002{row - 20:06d}")
    dataset = HandClipDataset(root, max_bad_samples=2)
    for _ in range(3):  # the same bad clips again cost nothing
        assert _ids(dataset[23]) == _ids(dataset[0])  # goes round the end
        with pytest.raises(ShardError, match="more than max_bad_samples=2"):
            HandClipDataset(root, max_bad_samples=2)[21]
        assert len(dataset._bad) == 1
    with pytest.raises(ShardError, match="max_bad_samples"):
        dataset[21]
    assert "1 skipped, 1 of 2 allowed" in log[0] and "key '000002000003'" in log[0]


def test_nothing_readable_is_an_error_not_a_search_without_end(make_shards):
    root = make_shards(num_tracks=1, num_frames=2)
    for row in (0, 1):
        _spoil_image(root, f"{row:012d}")
    with pytest.raises(ShardError, match="max_bad_samples"):
        HandClipDataset(root, max_bad_samples=10)[0]


@pytest.mark.parametrize(("method", "num_workers"), [("fork", 2), ("spawn", 1)])
def test_workers_give_what_the_main_process_gives(shards_root, method, num_workers):
    dataset = HandClipDataset(shards_root, clip_length=3)
    dataset[0]  # files are open in the parent
    common = {"batch_size": 6, "collate_fn": hand_collate}
    alone = list(DataLoader(dataset, **common))
    workers = {"num_workers": num_workers, "multiprocessing_context": method}
    helped = list(DataLoader(dataset, **workers, **common))
    assert len(alone) == len(helped) == 4
    for expected, actual in zip(alone, helped, strict=True):
        assert actual.labels.sample_id == expected.labels.sample_id
        assert (actual.image == expected.image).all()
        assert (actual.labels.mano.hand_pose == expected.labels.mano.hand_pose).all()
        assert (actual.labels.frame_time == expected.labels.frame_time).all()


def _flip_a_bit_of_each_image(root):
    reader = HandClipDataset(root).reader
    with (root / "shard-000001.tar").open("r+b") as file:
        for row in range(10, 20):
            middle = int(reader.index.rows["image_offset"][row]) + 300
            file.seek(middle)
            (old,) = file.read(1)
            file.seek(middle)
            file.write(bytes([old ^ 1]))


def _truncate(root):
    os.truncate(root / "shard-000001.tar", 1024)


def _delete(root):
    (root / "shard-000001.tar").unlink()


def _swap(root):
    shutil.copy(root / "shard-000000.tar", root / "shard-000001.tar")


def _swap_for_one_of_the_same_size(root):
    """Images that decode and records that parse, at the very places of the index."""
    size = (root / "shard-000001.tar").stat().st_size
    content = (root / "shard-000000.tar").read_bytes()[:size].ljust(size, b"\0")
    (root / "shard-000001.tar").write_bytes(content)


DAMAGES = [
    _flip_a_bit_of_each_image,
    _truncate,
    _delete,
    _swap,
    _swap_for_one_of_the_same_size,
]


BEFORE = 32  # samples of the first shard, more than workers load in advance


def _ids_around(root, damage, num_workers, max_bad_samples=0):
    """Return the ids of one epoch after a data set in use was damaged."""
    dataset = HandClipDataset(root, max_bad_samples=max_bad_samples)
    order = [*(row % 8 for row in range(BEFORE)), *range(24)]
    loader = DataLoader(
        dataset, batch_size=4, sampler=order, collate_fn=hand_collate, num_workers=num_workers
    )
    batches = iter(loader)
    ids = list(next(batches).labels.sample_id)
    damage(root)
    try:
        for batch in batches:
            ids += batch.labels.sample_id
    finally:
        if num_workers:
            batches._shutdown_workers()  # the garbage collector would wait 10 s for each
    return ids[BEFORE:]


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_during_training_ends_it_and_names_the_shard(make_shards, damage, num_workers):
    with pytest.raises(ShardError, match=r"shard-000001.tar: "):
        _ids_around(make_shards(), damage, num_workers)


@pytest.mark.parametrize("num_workers", [0, 2])
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_samples_are_skipped_and_counted_and_no_batch_is_missing(
    make_shards, damage, num_workers, tmp_path, monkeypatch
):
    log = tmp_path / "log"  # a file, since worker processes write too

    def write(text, **_):
        with log.open("a") as file:
            file.write(f"{text}\n")

    monkeypatch.setattr(bad_samples, "print_log", write)
    ids = _ids_around(make_shards(), damage, num_workers, max_bad_samples=10)
    assert len(ids) == 24, "the epoch is as long as ever"
    good = [_id_of(row) for row in (*range(10), *range(20, 24))]
    assert set(ids) == set(good)
    assert ids[:10] + ids[20:] == good, "undamaged samples come where they always do"
    lines = log.read_text().splitlines()
    assert 10 <= len(lines) <= 10 * max(1, num_workers)
    assert all(
        re.search(r"1 skipped, \d+ of 10 allowed: .*shard-000001.tar", line) for line in lines
    )


def test_nothing_is_skipped_without_damage(make_shards):
    ids = _ids_around(make_shards(), lambda root: None, 2, max_bad_samples=10)
    assert ids == [_id_of(row) for row in range(24)]


def _id_of(row):
    track, frame = divmod(row, 6)
    side = "right" if track % 2 == 0 else "left"
    return f"tiny/sequence{track // 2}/cam0/{frame:05d}/{side}"


@pytest.mark.parametrize("num_workers", [0, 2])
def test_more_damage_than_allowed_ends_training(make_shards, num_workers):
    with pytest.raises(ShardError, match=r"shard-000001.tar: .*more than max_bad_samples=3"):
        _ids_around(make_shards(), _delete, num_workers, max_bad_samples=3)


def test_batches_are_decoded_into_one_memory(shards_root):
    dataset = HandClipDataset(shards_root, clip_length=3)
    clips = dataset.__getitems__([0, 4, 15])  # images of one size
    assert len(clips) == 3
    for clip, index in zip(clips, (0, 4, 15), strict=True):
        alone = dataset[index]
        assert _ids(clip) == _ids(alone)
        assert (clip.frame_valid == alone.frame_valid).all()
        for image, expected in zip(clip.images, alone.images, strict=True):
            np.testing.assert_array_equal(image, expected)
    batch = hand_collate(clips)
    assert np.shares_memory(batch.image.numpy(), clips[1].images[-1])
    assert (batch.image == hand_collate(list(clips)).image).all()
