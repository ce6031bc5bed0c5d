import pytest

from handvit.engine.preflight.doubts import find_doubts


@pytest.fixture
def config(shards_root):
    dataset = dict(type="HandClipDataset", data_root=str(shards_root))  # 24 samples
    return dict(
        train_cfg=dict(max_iters=100, val_interval=100),
        train_dataloader=dict(batch_size=24, dataset=dataset),
        default_hooks=dict(checkpoint=dict(interval=50), logger=dict(interval=10)),
        param_scheduler=[dict(type="LinearLR", end=100, by_epoch=False), dict(type="X", end=900)],
    )


def test_a_plain_training_leaves_no_doubt(config):
    assert list(find_doubts(config)) == []
    assert list(find_doubts({**config, "train_cfg": {}, "param_scheduler": None})) == []


@pytest.mark.parametrize(
    ("part", "key"),
    [
        (("train_cfg",), "val_interval"),
        (("default_hooks", "checkpoint"), "interval"),
        (("default_hooks", "logger"), "interval"),
        (("param_scheduler", 0), "end"),
        (("train_dataloader",), "batch_size"),
    ],
)
def test_what_exceeds_the_training_is_doubtful(config, part, key):
    node = config
    for name in part:
        node = node[name]
    node[key] = 101
    (doubt,) = find_doubts(config)
    assert doubt.key == ".".join(map(str, (*part, key)))
    assert "max_iters is 100" in str(doubt) or "the data sets have 24" in str(doubt)
