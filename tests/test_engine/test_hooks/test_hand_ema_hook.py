from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import EMAHook, Hook
from torch import nn

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.hooks import HandEMAHook
from handvit.registry import RUNNERS

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"
MOMENTUM = 0.25
AVERAGE = {
    "default_hooks.ema": dict(
        type="HandEMAHook",
        ema_type="ExponentialMovingAverage",
        momentum=MOMENTUM,
        update_buffers=True,
    )
}
LAST_TWO = {
    "default_hooks.ema": dict(
        type="HandEMAHook", ema_type="StochasticWeightAverage", begin_iter=2, interval=2
    )
}


class Recorder(Hook):
    """Note the weights after each iteration and in each validation, and what that measured."""

    priority = "VERY_HIGH"

    def __init__(self):
        self.trained, self.validated, self.metrics = {}, {}, {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.trained[runner.iter + 1] = _copy(runner.model)

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.validated[runner.iter] = _copy(runner.model)

    def after_val_epoch(self, runner, metrics=None):
        self.metrics[runner.iter] = metrics


@pytest.fixture(scope="module")
def averaged(tiny_config, tmp_path_factory) -> tuple[Path, Recorder]:
    """Folder and record of a stage-1 run of four iterations with an average."""
    folder, recorder = tmp_path_factory.mktemp("averaged"), Recorder()
    runner = RUNNERS.build(tiny_config(STAGE1, folder, AVERAGE))
    runner.register_hook(recorder)
    runner.train()
    return folder, recorder


@pytest.fixture
def state_of(averaged):
    """Return ``state_of(iteration)``: the checkpoint after that iteration."""
    return lambda iteration: read_checkpoint(averaged[0] / f"iter_{iteration}.pth")


def _copy(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def _optimized(checkpoint):
    """The weights that the optimizer moves."""
    state = checkpoint["ema_state_dict"].items()
    return {name.removeprefix("module."): value for name, value in state if name != "steps"}


def _assert_equal(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=0, atol=0, msg=name)


def _recursion(trained, last):
    """a_1 = w_1; a_t = (1 - momentum) a_(t-1) + momentum w_t, in float64."""
    average = {name: value.double() for name, value in trained[1].items()}
    for iteration in range(2, last + 1):
        for name, value in trained[iteration].items():
            average[name] = (1 - MOMENTUM) * average[name] + MOMENTUM * value.double()
    return average


@pytest.mark.parametrize("iteration", [2, 4])
def test_the_average_is_the_recursion_with_a_small_weight_for_what_is_new(
    averaged, state_of, iteration
):
    trained = averaged[1].trained
    expected, found = _recursion(trained, iteration), state_of(iteration)["state_dict"]
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if value.is_floating_point():  # counters of batches stay as they were at first
            torch.testing.assert_close(
                value.double(), expected[name], rtol=1e-6, atol=1e-8, msg=name
            )
    moved = [name for name, value in found.items() if not torch.equal(value, trained[4][name])]
    assert {name.split(".")[0] for name in moved} == {"backbone", "neck", "head"}
    assert any("running_mean" in name for name in moved)


@pytest.mark.parametrize("iteration", [2, 4])
def test_what_is_validated_is_what_is_saved(averaged, state_of, iteration):
    checkpoint = state_of(iteration)
    _assert_equal(averaged[1].validated[iteration], checkpoint["state_dict"])
    _assert_equal(_optimized(checkpoint), averaged[1].trained[iteration])


def test_the_best_checkpoint_holds_the_average_too(averaged, state_of):
    (path,) = averaged[0].glob("best_*.pth")
    iteration = int(path.stem.split("_")[-1])
    _assert_equal(read_checkpoint(path)["state_dict"], state_of(iteration)["state_dict"])


def test_the_checkpoint_stays_portable(averaged):
    path = averaged[0] / "iter_4.pth"
    assert torch.serialization.get_unsafe_globals_in_checkpoint(path) == []


def test_a_resumed_run_equals_an_uninterrupted_one(averaged, state_of, build, tmp_path):
    options = {"resume": True, "load_from": str(averaged[0] / "iter_2.pth")}
    build(STAGE1, "resumed", {**AVERAGE, **options}).train()
    found, expected = read_checkpoint(tmp_path / "resumed" / "iter_4.pth"), state_of(4)
    for key in ("state_dict", "ema_state_dict"):
        _assert_equal(found[key], expected[key])
    _assert_equal(_moments(found), _moments(expected))


def _moments(checkpoint):
    states = checkpoint["optimizer"]["state"].items()
    return {(index, name): value for index, state in states for name, value in state.items()}


def test_stage2_starts_from_the_average_and_averages_what_it_trains(
    averaged, state_of, build, tmp_path
):
    options = {"load_from": str(averaged[0] / "iter_4.pth")}
    runner, recorder = build(STAGE2, "stage2", {**AVERAGE, **options}), Recorder()
    runner.register_hook(recorder)
    runner.train()
    found = read_checkpoint(tmp_path / "stage2" / "iter_4.pth")["state_dict"]
    start = state_of(4)["state_dict"]
    _assert_equal({name: found[name] for name in start}, start)
    name = "temporal.to_out.weight"
    expected = _recursion(recorder.trained, 4)[name]
    torch.testing.assert_close(found[name].double(), expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("prefix", ["", "module."])
def test_a_test_measures_what_was_validated(averaged, state_of, build, tmp_path, prefix):
    checkpoint, path = state_of(4), tmp_path / "prefixed.pth"
    state = checkpoint["state_dict"].items()
    checkpoint["state_dict"] = {prefix + name: value for name, value in state}
    torch.save(checkpoint, path)
    found = build(STAGE1, "test", {**AVERAGE, "load_from": str(path)}).test()
    assert found == pytest.approx(averaged[1].metrics[4], rel=1e-6)


def test_a_run_without_average_can_be_resumed_with_one(state_of, build, tmp_path, monkeypatch):
    checkpoint, path = state_of(2), tmp_path / "plain.pth"
    del checkpoint["ema_state_dict"]
    torch.save(checkpoint, path)
    options = {"resume": True, "load_from": str(path), "train_cfg.max_iters": 3}
    runner, lines = build(STAGE1, "resumed", {**AVERAGE, **options}), []
    monkeypatch.setattr(runner.logger, "warning", lines.append)
    runner.train()
    assert any("the average starts at iteration 3" in line for line in lines)
    found = read_checkpoint(tmp_path / "resumed" / "iter_3.pth")
    _assert_equal(found["state_dict"], _optimized(found))


def test_a_run_with_average_cannot_be_resumed_without(averaged, build):
    options = {"resume": True, "load_from": str(averaged[0] / "iter_2.pth")}
    with pytest.raises(ValueError, match=r"iter_2\.pth: holds an average.*its HandEMAHook"):
        build(STAGE1, "resumed", options).train()


def test_weights_that_do_not_fit_are_refused_as_without_average(averaged, build):
    options = {
        "resume": True,
        "load_from": str(averaged[0] / "iter_2.pth"),
        "model.backbone.config.hidden_sizes": [8, 24],
    }
    with pytest.raises(ValueError, match=r"does not fit this config's model"):
        build(STAGE1, "resumed", {**AVERAGE, **options}).train()


def test_a_plain_mean_of_some_iterations(build, tmp_path):
    runner, recorder = build(STAGE1, "mean", LAST_TWO), Recorder()
    runner.register_hook(recorder)
    runner.train()
    found = read_checkpoint(tmp_path / "mean" / "iter_4.pth")["state_dict"]
    for name, _ in runner.model.named_parameters():
        expected = torch.stack([recorder.trained[i][name].double() for i in (2, 4)]).mean(0)
        torch.testing.assert_close(found[name].double(), expected, rtol=1e-6, atol=1e-8)
    _assert_equal(recorder.validated[2], recorder.trained[2])
    _assert_equal(recorder.validated[4], found)


class Stop(Hook):
    """Interrupt once, after a training or validation iteration of a given number."""

    def __init__(self, moment: str, iteration: int):
        self.moment, self.iteration = moment, iteration

    def _stop(self, runner, moment):
        if (self.moment, self.iteration) == (moment, runner.iter):
            self.moment = None
            raise KeyboardInterrupt

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._stop(runner, "train")

    def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._stop(runner, "val")


@pytest.mark.parametrize("moment", ["train", "val"])
def test_an_average_goes_on_when_training_is_called_again(build, tmp_path, moment):
    """What is trained and averaged after Ctrl-C follows from what was before, as in one run."""
    runner, recorder = build(STAGE1, "again", AVERAGE), Recorder()
    runner.register_hook(recorder)
    runner.register_hook(Stop(moment, 2))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    start = Start()
    runner.register_hook(start)
    runner.train()
    _assert_equal(start.weights, recorder.trained[2])
    checkpoint = read_checkpoint(tmp_path / "again" / "iter_4.pth")
    _assert_equal(_optimized(checkpoint), recorder.trained[4])
    expected = _recursion(recorder.trained, 4)
    for name, _ in runner.model.named_parameters():
        found = checkpoint["state_dict"][name].double()
        torch.testing.assert_close(found, expected[name], rtol=1e-6, atol=1e-8, msg=name)


class Start(Hook):
    """Note the weights that the first iteration starts from."""

    weights = None

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if self.weights is None:
            self.weights = _copy(runner.model)


@pytest.mark.parametrize("kind", ["val", "test"])
def test_the_average_is_measured_after_an_interrupted_validation(kind):
    runner = SimpleNamespace(model=nn.Linear(2, 1), iter=0, max_iters=9)
    hook = HandEMAHook(momentum=MOMENTUM)
    hook.before_train(runner)
    hook.after_train_iter(runner, 0)
    average = _copy(runner.model)
    nn.init.ones_(runner.model.weight)
    trained = _copy(runner.model)
    hook.before_val_epoch(runner)  # interrupted before after_val_epoch
    getattr(hook, f"before_{kind}_epoch")(runner)
    _assert_equal(_copy(runner.model), average)
    getattr(hook, f"after_{kind}_epoch")(runner)
    _assert_equal(_copy(runner.model), trained)


@pytest.mark.parametrize("hook_type", [EMAHook, HandEMAHook])
def test_mmengine_still_needs_the_hook(hook_type):
    model = nn.Linear(2, 1)
    runner = SimpleNamespace(model=model, _resume=False)
    hook = hook_type()
    hook.before_run(runner)
    hook.after_load_checkpoint(runner, {"state_dict": {"module.weight": torch.ones(1, 2)}})
    nn.init.ones_(model.weight)  # as HandRunner does, which knows the prefix
    hook.before_test_epoch(runner)
    assert bool((model.weight == 1).all()) == (hook_type is HandEMAHook)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_average_is_saved_on_the_cpu():
    runner = SimpleNamespace(model=nn.Linear(2, 1).cuda(), max_iters=1)
    hook = HandEMAHook()
    hook.before_train(runner)
    state = {name: value.cpu() for name, value in runner.model.state_dict().items()}
    checkpoint = {"state_dict": state}
    hook.before_save_checkpoint(runner, checkpoint)
    assert {value.device.type for value in checkpoint["state_dict"].values()} == {"cpu"}
