import pytest

from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.structure_checks import check_loader, check_structure


def lines(check, content, key="model.part"):
    return [str(problem) for problem in check(Block(key, content))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (dict(type="RootLoss", weight=1.0), []),
        (dict(type="HandEMAHook", momentum=0.1, interval=2), []),
        (dict(type="NoPerspInfo"), []),  # its owner gives the width
        (dict(type="handvit.hand_collate"), []),
        (dict(type="LinearLR", start_factor=0.1, begin=0, end=5, by_epoch=False), []),
        (
            dict(type="RotLoss", weight=1.0),
            ["model.part.type='RotLoss': nothing is registered under this name; did you mean"],
        ),
        (
            dict(type="RootLoss", wieght=1.0),
            ["has no argument 'wieght'; did you mean 'weight'?", "RootLoss needs it; give weight="],
        ),
        (dict(type="RootLoss", weight=1.0, xyz=2), ["it has distance, weight"]),
        # MMEngine's hook hands on whatever it is given, so nothing can be said.
        (dict(type="HandEMAHook", momentun=0.1), []),
    ],
)
def test_blocks_are_compared_with_their_classes(content, expected):
    found = lines(check_structure, content)
    assert len(found) == len(expected)
    for line, text in zip(found, expected, strict=True):
        assert text in line


def test_loaders_are_compared_with_torch_s():
    loader = dict(batch_size=2, num_workers=0, sampler=None, collate_fn={}, dataset={})
    assert lines(check_loader, loader) == []
    (line,) = lines(check_loader, {**loader, "batch_szie": 3}, key="train_dataloader")
    assert line.startswith("train_dataloader.batch_szie=3: a data loader has no argument")
    assert line.endswith("did you mean 'batch_size'?")


def test_long_values_are_not_repeated():
    (line,) = lines(check_structure, dict(type="RootLoss", weight=1.0, xyz=list(range(100))))
    assert "xyz='...'" in line
