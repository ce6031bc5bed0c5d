from handvit.engine.preflight import ConfigError, Problem
from handvit.engine.preflight.problem import check_names, merge_alike, suggest


def test_each_problem_is_one_line_with_file_key_value_and_fix():
    problems = [
        Problem("model.backbone.pretrained", "data/x", "no such folder", "put it there"),
        Problem("model.weight", None, "Loss needs it", "give weight=..."),
    ]
    error = ConfigError("my.py", problems)
    assert str(error).splitlines() == [
        "my.py: model.backbone.pretrained='data/x': no such folder; put it there",
        "my.py: model.weight: Loss needs it; give weight=...",
    ]
    assert error.problems == tuple(problems)


def test_long_values_are_not_repeated():
    line = str(Problem("xyz", list(range(100)), "is wrong", "drop it"))
    assert line == "xyz=...: is wrong; drop it"


def test_unknown_names_come_with_what_was_probably_meant():
    content = dict(wieght=2, xyz=1)
    meant, unknown = check_names("part", content, content.keys(), {"weight", "std"}, "Loss")
    assert str(meant) == "part.wieght=2: Loss has no argument 'wieght'; did you mean 'weight'?"
    assert str(unknown) == "part.xyz=1: Loss has no argument 'xyz'; it has std, weight"
    assert suggest("abc", {"xyz"}, "otherwise") == "otherwise"


def test_one_missing_file_is_one_problem_however_many_parts_want_it():
    same = [Problem(key, "a.npz", "no such file", "get it") for key in ("x.source", "y.source")]
    other = Problem("z.source", "b.npz", "no such file", "get it")
    assert merge_alike([same[0], other, same[1]]) == [
        Problem("x.source, y.source", "a.npz", "no such file", "get it"),
        other,
    ]
