import pytest
from torch import nn

from handvit.engine.preflight.blocks import Block
from handvit.engine.preflight.structure_checks import check_name, check_structure
from handvit.registry import MODELS


class ProjectHead(nn.Module):
    def __init__(self, dim, *, branch, options):
        super().__init__()


@pytest.fixture
def project_head(monkeypatch):
    """Register a class that no package of ours holds, as a project does."""
    monkeypatch.setitem(MODELS.module_dict, "ProjectHead", ProjectHead)


def lines(content, owner=None, key="model.part"):
    return [str(problem) for problem in check_structure(Block(key, content, owner))]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (dict(type="RootLoss", weight=1.0), []),
        (dict(type="HandEMAHook", momentum=0.1, interval=2), []),
        (dict(type="HandEMAHook", ema_type="MomentumAnnealingEMA", gamma=1), []),
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
        (dict(type="IterTimerHook", intervall=1), ["it has none"]),
        (dict(type="HandEMAHook", momentun=0.1), ["did you mean 'momentum'?"]),
        # Of the default average, which MMEngine's hook would hand gamma to.
        (dict(type="HandEMAHook", gamma=0.1), ["HandEMAHook has no argument 'gamma'"]),
    ],
)
def test_blocks_are_compared_with_their_classes(content, expected):
    found = lines(content)
    assert len(found) == len(expected), found
    for line, text in zip(found, expected, strict=True):
        assert text in line


def test_a_block_without_a_type_is_a_problem_where_a_class_is_wanted(project_head):
    (line,) = lines(dict(num_layers=2), owner="HandPoseEstimator", key="model.temporal")
    assert "has no type" in line and "model.temporal.type" in line
    assert len(lines(dict(interval=2), owner="default_hooks")) == 1
    assert len(lines(dict(data_root="x"), owner="MixtureDataset", key="datasets.0")) == 1
    assert lines(dict(num_layers=2), owner="HandPoseEstimator", key="model.temproal") == []
    assert lines(dict(num_layers=2), owner="ProjectHead", key="model.branch") == []


def test_classes_of_projects_get_what_they_like_from_each_other(project_head):
    """Missing arguments are known for owners of ours only, unknown ones are wrong anywhere."""
    assert len(lines(dict(type="ProjectHead", branch=1), owner="HandPoseEstimator")) == 1
    assert lines(dict(type="RootLoss"), owner="ProjectHead") == []
    assert lines(dict(type="ProjectHead"), owner="ProjectHead") == []
    assert len(lines(dict(type="RootLoss", wieght=1), owner="ProjectHead")) == 1


def test_names_besides_types_can_be_checked():
    assert list(check_name("runner_type", "HandRunner")) == []
    (problem,) = check_name("runner_type", "HandRuner")
    assert problem.key == "runner_type" and problem.fix == "did you mean 'HandRunner'?"
