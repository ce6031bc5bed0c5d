import json

import pytest


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


def test_an_unknown_architecture_is_named(tool):
    option = "model.backbone.pretrained=data/weights/mine"
    with pytest.raises(ValueError, match="data/weights/mine"):
        tool.main(["configs/stage1/dino_large.py", "--cfg-options", option])
