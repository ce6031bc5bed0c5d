import pytest

from handvit.engine.checkpoints import read_checkpoint

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"


@pytest.fixture
def train(build, tmp_path):
    """Return ``train(recipe, name, **options)``: trainings that its last checkpoint speaks of."""

    def run(recipe: str, name: str, **options) -> list:
        build(recipe, name, options).train()
        last = sorted((tmp_path / name).glob("iter_*.pth"))[-1]
        return read_checkpoint(last)["meta"]["training_range"]

    return run


def test_stage2_keeps_what_stage1_saw(train, tmp_path):
    (first,) = train(STAGE1, "stage1")
    assert first["datasets"][0]["name"] == "tiny"
    both = train(STAGE2, "stage2", load_from=str(tmp_path / "stage1" / "iter_4.pth"))
    assert both == [first, first]


def test_a_resumed_training_counts_once(train, tmp_path):
    path = str(tmp_path / "first" / "iter_2.pth")
    once = train(STAGE1, "first")
    assert train(STAGE1, "again", load_from=path, resume=True) == once
