import pytest
import torch

from handvit.datasets import HandClipDataset, ShardReader
from handvit.datasets.synthetic import SyntheticPlan, produce

PLAN = SyntheticPlan(
    split="train", seed=3, num_singles=6, num_sequences=2, sequence_length=3, image_size=32
)


@pytest.fixture(autouse=True)
def _small_shards(monkeypatch):
    monkeypatch.setattr("handvit.datasets.synthetic.plan._FRAMES_PER_SHARD", 4)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """What one process makes."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("handvit.datasets.synthetic.plan._FRAMES_PER_SHARD", 4)
        root = tmp_path_factory.mktemp("reference")
        produce(root, PLAN, num_workers=1, report=lambda count: None)
    return root


def _contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir()}


def test_readers_find_all_of_it(reference):
    reader = ShardReader(reference)
    assert len(reader) == PLAN.num_frames == 12
    assert len(list(reference.glob("*.tar"))) == 4
    assert len({reader.read_sample(row).sample_id for row in range(12)}) == 12
    clip = HandClipDataset(str(reference), clip_length=3)[11]
    assert clip.samples[-1].sample_id.startswith("synthetic/train-s3-seq000001/cam0/000002/")
    assert all(clip.frame_valid)


def test_three_processes_make_the_same_bytes(reference, tmp_path):
    counts = []
    produce(tmp_path, PLAN, num_workers=3, report=counts.append)
    assert sum(counts) == 12
    assert _contents(tmp_path) == _contents(reference)


def test_threads_of_torch_change_nothing(reference, tmp_path):
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        produce(tmp_path, PLAN, num_workers=1, report=lambda count: None)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert _contents(tmp_path) == _contents(reference)


def test_another_seed_makes_other_bytes(reference, tmp_path):
    plan = SyntheticPlan(
        split="train", seed=4, num_singles=4, num_sequences=0, sequence_length=3, image_size=32
    )
    produce(tmp_path, plan, num_workers=1, report=lambda count: None)
    name = "shard-000000.tar"
    assert (tmp_path / name).read_bytes() != (reference / name).read_bytes()


def test_goes_on_where_it_was_stopped(reference, tmp_path):
    class StoppedError(Exception):
        pass

    def stop_after_five(count):
        made.append(count)
        if sum(made) == 5:
            raise StoppedError

    made = []
    with pytest.raises(StoppedError):
        produce(tmp_path, PLAN, num_workers=1, report=stop_after_five)
    finished = tmp_path / "shard-000000.tar"
    written = finished.stat().st_mtime_ns
    assert not (tmp_path / "dataset.json").exists()
    counts = []
    produce(tmp_path, PLAN, num_workers=1, report=counts.append)
    assert counts == [4] + [1] * 8
    assert finished.stat().st_mtime_ns == written
    assert _contents(tmp_path) == _contents(reference)


def test_nothing_is_left_to_do(reference):
    before, counts = _contents(reference), []
    produce(reference, PLAN, num_workers=2, report=counts.append)
    assert counts == [12]
    assert _contents(reference) == before


def test_needs_a_worker(tmp_path):
    with pytest.raises(ValueError, match="num_workers: 0 must be 1 or more"):
        produce(tmp_path, PLAN, num_workers=0, report=lambda count: None)
