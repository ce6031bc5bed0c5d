import pytest
import torch
from mmengine.hooks import Hook

from handvit.engine.failure_dump import Findings, read_failure
from handvit.engine.replay import find_tensors, replay
from handvit.engine.training_stop import NonFiniteError

RECIPE = "stage1_tiny.py"
OPTIONS = {
    "default_hooks.finite_guard": dict(type="FiniteGuardHook"),
    "custom_hooks": [dict(type="DropoutWarmupHook", part="head", num_iters=3)],
}


def _fail(build, tmp_path, options, *hooks):
    runner = build(RECIPE, "run", {**OPTIONS, **options})
    for hook in hooks:
        runner.register_hook(hook)
    with pytest.raises(NonFiniteError):
        runner.train()
    (path,) = (tmp_path / "run" / "failures").iterdir()
    return runner, read_failure(path)


@pytest.mark.parametrize(
    ("kind", "module"),
    [("NanLoss", "losses.loss_poison (NanLoss)"), ("NanGradient", None)],
)
@pytest.mark.parametrize("wrapper", ["OptimWrapper", "BF16OptimWrapper"])
def test_a_failure_is_repeated(build, tmp_path, poison, kind, module, wrapper):
    options = {**poison(kind), "optim_wrapper.type": wrapper}
    runner, failure = _fail(build, tmp_path, options, _KeepLosses())
    torch.rand(10)  # the state of the generators is another one here
    found = replay(failure, "cpu")
    assert found.reproduces(failure["findings"])
    assert found.first_module == module
    assert found.losses == pytest.approx(runner.seen, rel=0, abs=0, nan_ok=True)
    if kind == "NanGradient":
        # Clipping had made all gradients NaN; what only other losses depend on is fine.
        assert 0 < len(found.gradients) < len(failure["findings"].gradients)
    else:
        assert len(found.gradients) > 0


class _KeepLosses(Hook):
    """Keep what the model returned, in the training itself."""

    def before_train(self, runner):
        def keep(model, arguments, options, losses):
            if options["mode"] == "loss":
                runner.seen = {name: value.item() for name, value in losses.items()}

        runner.model.register_forward_hook(keep, with_kwargs=True)


def test_a_spoilt_weight_is_found(build, tmp_path):
    _, failure = _fail(build, tmp_path, {}, _SpoilBackbone())
    assert failure["findings"].weights == ["backbone.model.embedder.embedder.convolution.weight"]
    found = replay(failure, "cpu")
    assert found.reproduces(failure["findings"])
    assert found.first_module.startswith("backbone.model.embedder.embedder.convolution (")


class _SpoilBackbone(Hook):
    @torch.no_grad()
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        weight = runner.model.backbone.model.embedder.embedder.convolution.weight
        weight[0] = float("nan")


def test_a_healthy_iteration_is_not_reproduced(build, tmp_path, poison):
    _, failure = _fail(build, tmp_path, poison("NanLoss"))
    failure["batch"].labels.sample_id[:] = ["tiny/s/c/f/left"] * 3
    found = replay(failure, "cpu")
    assert not found.reproduces(failure["findings"])
    assert not found.reproduces(Findings([], ["head.x"], []))
    assert found.first_module is None
    assert found.gradients == []


def test_tensors_are_found_in_anything():
    one, two = torch.ones(1), torch.ones(2)
    assert list(find_tensors({"a": [one, None, "b"], "c": (3, {"d": two})})) == [one, two]
