import logging

import pytest
import torch
from mmengine.hooks import Hook
from torch import nn
from torch._dynamo.backends.common import aot_autograd

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.hooks import compile_hook
from handvit.engine.hooks.compile_hook import CompileHook

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"
AVERAGE = {"custom_hooks": [dict(type="HandEMAHook", momentum=0.1, update_buffers=True)]}


@pytest.fixture(autouse=True)
def _forget_compiled():
    torch._dynamo.reset()


@pytest.fixture
def warnings(monkeypatch) -> list[str]:
    """Lines of the log."""
    lines = []

    def note(line, logger, level):
        assert level == logging.WARNING
        lines.append(line)

    monkeypatch.setattr(compile_hook, "print_log", note)
    return lines


class Graphs:
    """A backend that counts what it gets and runs it as it is."""

    def __init__(self):
        self.compiled = self.run = 0

    def __call__(self, graph, inputs):
        self.compiled += 1

        def run(*arguments):
            self.run += 1
            return graph.forward(*arguments)

        return run


def fail(graph, inputs):
    raise RuntimeError("no such machine")


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)

    def forward(self, x):
        return self.linear(x).relu()


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = Part()


class FakeRunner:
    def __init__(self, model):
        self.model = model


def compiled(**settings) -> Part:
    model = Model()
    CompileHook(**settings).before_train(FakeRunner(model))
    return model.backbone


def train(build, name, backend=None, recipe=STAGE1, options=None, hook=None):
    runner = build(recipe, name, options)
    if backend is not None:
        runner.register_hook(CompileHook(backend=backend))
    if hook is not None:
        runner.register_hook(hook)
    runner.train()
    return runner


def test_training_is_the_same_and_so_are_its_checkpoints(build, tmp_path):
    train(build, "plain", options=AVERAGE)
    graphs = Graphs()
    runner = train(build, "compiled", graphs, options=AVERAGE)
    plain, ours = (read_checkpoint(tmp_path / run / "iter_4.pth") for run in ("plain", "compiled"))
    assert graphs.compiled == 1  # validation, with a batch of another size, asked for nothing
    assert graphs.run == 4
    for key in ("state_dict", "ema_state_dict", "optimizer"):
        assert ours[key].keys() == plain[key].keys()
        torch.testing.assert_close(ours[key], plain[key], rtol=1e-5, atol=1e-6)
    start = tmp_path / "compiled" / "iter_2.pth"
    resumed = {**AVERAGE, "resume": True, "load_from": str(start)}
    train(build, "resumed", graphs, options=resumed)
    rest = read_checkpoint(tmp_path / "resumed" / "iter_4.pth")
    torch.testing.assert_close(rest["state_dict"], ours["state_dict"], rtol=0, atol=0)
    graphs.run = 0
    runner.val_loop.run()
    assert graphs.run == 0


class Watch(Hook):
    """Count the graphs that ran before a validation, and in it."""

    def __init__(self, graphs):
        self.graphs, self.counts = graphs, []

    def before_val(self, runner):
        self.counts.append(self.graphs.run)

    def after_val(self, runner):
        self.counts.append(self.graphs.run)


def test_validation_runs_what_a_test_runs(build):
    graphs = Graphs()
    watch = Watch(graphs)
    train(build, "run", graphs, hook=watch)
    assert watch.counts == [2, 2, 4, 4]


def test_a_frozen_backbone_under_autocast(build):
    graphs = Graphs()
    train(build, "run", graphs, STAGE2, {"optim_wrapper.type": "BF16OptimWrapper"})
    assert (graphs.compiled, graphs.run) == (1, 4)


def test_gradient_checkpointing_and_data_parallelism(build, one_process, monkeypatch):
    for name, value in {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    sizes = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2)
    config = dict(model_type="dinov2", image_size=32, patch_size=8, **sizes)
    backbone = dict(_delete_=True, type="HFViT", config=config, gradient_checkpointing=True)
    options = {"model.backbone": backbone, "launcher": "pytorch"}
    graphs = Graphs()
    runner = train(build, "run", graphs, options=options)
    model = runner.model.module  # it is wrapped
    assert type(model.backbone).__name__ == "HFViT"
    assert graphs.compiled >= 1 and graphs.run >= 4


def test_what_cannot_be_compiled_runs_as_it_is(build, tmp_path, warnings):
    train(build, "plain")
    train(build, "fallback", fail)
    plain, ours = (read_checkpoint(tmp_path / run / "iter_4.pth") for run in ("plain", "fallback"))
    torch.testing.assert_close(ours["state_dict"], plain["state_dict"], rtol=0, atol=0)
    (line,) = warnings
    assert line == (
        "CompileHook: 'backbone' cannot be compiled, and runs as it is: BackendCompilerFailed:"
        " backend='fail' raised: RuntimeError: no such machine"
    )


def test_a_backward_pass_that_cannot_be_compiled_is_found_in_time(warnings):
    part = compiled(backend=aot_autograd(fw_compiler=lambda graph, _: graph, bw_compiler=fail))
    part(torch.ones(2, 3)).sum().backward()
    assert part.linear.weight.grad is not None
    assert len(warnings) == 1 and "no such machine" in warnings[0]


def test_a_machine_without_a_compiler(warnings):
    with torch._inductor.config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        part = compiled()
        output = part(torch.ones(2, 3))
    assert torch.equal(output, part(torch.ones(2, 3)))
    (line,) = warnings
    assert "No working C++ compiler found" in line and "\n" not in line


class Breaks(Part):
    """Has counted a call before it comes to what no graph can hold."""

    count = 0

    def forward(self, x):
        self.count += 1
        torch._dynamo.graph_break()
        return super().forward(x)


def test_nothing_has_happened_when_compiling_fails(warnings):
    model = Model()
    model.backbone = Breaks()
    CompileHook(backend="eager").before_train(FakeRunner(model))
    model.backbone(torch.ones(2, 3))
    assert model.backbone.count == 1
    assert len(warnings) == 1


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"CompileHook\.mode='fast': must be one of default,"):
        CompileHook(mode="fast")
    with pytest.raises(ValueError, match=r"parts: the model has no 'bakbone'; it has backbone"):
        compiled(parts=("bakbone",))
