import pytest

from handvit.engine.preflight.plain_checks import check_plain_parts, find_value

GOOD = dict(
    model=dict(type="HandPoseEstimator", backbone={}, head={}),
    train_dataloader=dict(batch_size=2, num_workers=0, sampler=None, collate_fn={}, dataset={}),
    train_cfg=dict(max_iters=1e5, val_interval=5),
    val_dataloader=None,
    optim_wrapper=dict(
        constructor="PartLRConstructor",
        clip_grad=dict(type="norm", max_norm=1.0),
        paramwise_cfg=dict(part_lr=dict(backbone=1e-5)),
    ),
    randomness=dict(seed=0),
    env_cfg=dict(cudnn_benchmark=True, mp_cfg=dict(mp_start_method="fork"), dist_cfg=dict(x=1)),
)


def test_a_good_config_has_no_problem():
    assert list(check_plain_parts(GOOD)) == []


@pytest.mark.parametrize(
    ("part", "key", "value", "text"),
    [
        ("train_dataloader", "batch_szie", 3, "did you mean 'batch_size'?"),
        ("randomness", "sede", 3, "did you mean 'seed'?"),
        ("env_cfg", "cudnn_benchmrk", True, "did you mean 'cudnn_benchmark'?"),
        ("optim_wrapper.clip_grad", "max_nrom", 1, "did you mean 'max_norm'?"),
        ("optim_wrapper.paramwise_cfg", "part_lrs", {}, "did you mean 'part_lr'?"),
        ("optim_wrapper.paramwise_cfg.part_lr", "bakbone", 1, "did you mean 'backbone'?"),
        ("train_dataloader", "batch_size", 0, "give a whole number of at least 1"),
        ("train_dataloader", "num_workers", -1, "give a whole number of at least 0"),
        ("train_cfg", "max_iters", "10k", "is no count"),
        ("train_cfg", "val_interval", 0.5, "is no count"),
    ],
)
def test_what_is_wrong_is_found(part, key, value, text):
    config = {**GOOD}
    node = config
    for name in part.split("."):
        node[name] = dict(node[name])
        node = node[name]
    node[key] = value
    (problem,) = check_plain_parts(config)
    assert problem.key == f"{part}.{key}" and text in str(problem)


def test_other_constructors_check_their_own_settings():
    wrapper = dict(GOOD["optim_wrapper"], constructor="Mine", paramwise_cfg=dict(any=1))
    assert list(check_plain_parts({**GOOD, "optim_wrapper": wrapper})) == []


def test_values_are_found_by_dotted_keys():
    assert find_value(dict(a=dict(b=3)), "a.b") == 3
    assert find_value(dict(a=[1]), "a.b") is None
    assert find_value({}, "a.b.c") is None
