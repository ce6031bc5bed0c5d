import json

import pytest

from handvit.analysis import ParameterCount, RecipeCost, TrainingMemory


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("analysis_tools/get_flops.py")


def test_prints_and_writes_what_a_recipe_costs(tool, tmp_path, capsys):
    file = tmp_path / "cost.json"
    options = ["--batch-size", "4", "--cfg-options", "model.data_preprocessor.crop_size=64"]
    tool.main(["configs/demo/stage1_tiny.py", "--json", str(file), *options])
    printed = capsys.readouterr().out.split("\n")
    assert [line.split()[0] for line in printed[1:5]] == ["backbone", "neck", "head", "all"]
    assert "crops of 64 px, 1 frames a clip" in printed
    cost = json.loads(file.read_text())
    trained = sum(part["trainable"] for part in cost["parameters"].values())
    assert printed[4].split()[2] == f"{trained / 1e6:.2f}"
    assert cost["batch_size"] == 4


@pytest.fixture
def cost():
    """A clip of three frames; the neck has parameters but multiplies no matrices."""
    return RecipeCost(
        crop_size=224,
        num_frames=3,
        batch_size=1,
        parameters={
            "backbone": ParameterCount(2_000_000, 0),
            "neck": ParameterCount(500_000, 500_000),
        },
        frame_flops={"backbone": 10**9, "neck": 0, "losses": 0},
        clip_flops={"backbone": 3 * 10**9, "neck": 0, "losses": 0},
        memory=TrainingMemory(weights=2**30, optimizer=0, ema=0, step=2**29),
    )


def test_clips_have_a_column_of_their_own(tool, cost):
    head, *rows = (line.split() for line in tool.format_cost(cost).split("\n")[:4])
    assert " ".join(head) == "parameters/M trained/M GFLOPs a frame GFLOPs a clip"
    assert rows == [
        ["backbone", "2.00", "0.00", "1.00", "3.00"],
        ["neck", "0.50", "0.50", "0.00", "0.00"],
        ["all", "2.50", "0.50", "1.00", "3.00"],
    ]


def test_single_frames_have_no_clips(tool, cost):
    text = tool.format_cost(cost._replace(num_frames=1))
    assert "GFLOPs a frame" in text and "a clip\n" not in text.split("crops of")[0]


def test_an_unknown_architecture_is_named(tool):
    option = "model.backbone.pretrained=data/weights/mine"
    with pytest.raises(ValueError, match="data/weights/mine"):
        tool.main(["configs/stage1/dino_large.py", "--cfg-options", option])
