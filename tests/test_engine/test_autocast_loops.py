import pytest
import torch

RECIPE = "stage1_tiny.py"
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@pytest.fixture
def start(build, tmp_path) -> str:
    build(RECIPE, "start", {"train_cfg.max_iters": 1}).train()
    return str(tmp_path / "start" / "iter_1.pth")


def spied_test(runner) -> tuple[dict[str, float], set[torch.dtype]]:
    """Test, and see in what the backbone computes."""
    found = set()
    runner.model.backbone.register_forward_hook(
        lambda module, arguments, tokens: found.add(tokens.patches.dtype)
    )
    return runner.test(), found


def test_a_test_is_in_float32_unless_the_config_says_otherwise(build, start):
    options = {"load_from": start, "optim_wrapper.type": "BF16OptimWrapper"}
    exact, found = spied_test(build(RECIPE, "float32", options))
    assert found == {torch.float32}
    for dtype, expected in DTYPES.items():
        loop = {"test_cfg.type": "AutocastTestLoop", "test_cfg.dtype": dtype}
        metrics, found = spied_test(build(RECIPE, dtype, options | loop))
        assert found == {expected}
        assert metrics.keys() == exact.keys()
        assert metrics != exact
        assert metrics["mpjpe_rel"] == pytest.approx(exact["mpjpe_rel"], rel=0.05)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_validation_is_the_test_in_the_same_precision(build, start, dtype, tmp_path):
    val = {"val_cfg.type": "AutocastValLoop", "val_cfg.dtype": dtype}
    test = {"test_cfg.type": "AutocastTestLoop", "test_cfg.dtype": dtype}
    runner = build(RECIPE, "run", {"load_from": start, **val, **test})
    expected = runner.test()
    hooks = []
    runner.call_hook = lambda name, **details: hooks.append(name)
    found = runner.build_val_loop(runner._val_loop).run()
    assert found == expected
    assert hooks[:4] == ["before_val", "before_val_epoch", "before_val_iter", "after_val_iter"]


def test_other_dtypes_are_refused(build):
    runner = build(RECIPE, "run", {"val_cfg.type": "AutocastValLoop", "val_cfg.dtype": "half"})
    with pytest.raises(ValueError, match="dtype='half'"):
        runner.build_val_loop(runner._val_loop)
