from handvit.engine.preflight import ConfigError, Problem


def test_each_problem_is_one_line_with_file_key_value_and_fix():
    problems = [
        Problem("model.backbone.pretrained", "data/x", "no such folder", "put it there"),
        Problem("load_from", "a.pth", "no such checkpoint", "train it"),
    ]
    error = ConfigError("my.py", problems)
    assert str(error).splitlines() == [
        "my.py: model.backbone.pretrained='data/x': no such folder; put it there",
        "my.py: load_from='a.pth': no such checkpoint; train it",
    ]
    assert error.problems == tuple(problems)
