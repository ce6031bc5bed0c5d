import pytest

TOOL = "analysis_tools/print_config.py"
RECIPE = "configs/stage2/dino_large_t7.py"


def test_bases_and_options_are_merged(run_tool, capsys):
    run_tool(TOOL, RECIPE, "--cfg-options", "train_dataloader.batch_size=5")
    text = capsys.readouterr().out
    scope = {}
    exec(text, scope)  # what is printed is a config again
    assert scope["train_dataloader"]["batch_size"] == 5
    assert scope["model"]["temporal"]["type"] == "TemporalEncoder"
    assert scope["default_hooks"]["timer"]["type"] == "IterTimerHook"


def test_one_part_can_be_picked(run_tool, capsys):
    run_tool(TOOL, RECIPE, "--only", "model.temporal")
    assert capsys.readouterr().out.startswith("temporal = dict(")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "config nowhere.py: no such file"),
        ([RECIPE, "--only", "model.hed"], "--only model.hed: no 'hed'; there are ['backbone'"),
    ],
)
def test_what_is_not_there_is_named(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        run_tool(TOOL, *arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
