from handvit.analysis import (
    ParameterCount,
    RecipeCost,
    TrainingMemory,
    recipe_files,
    recipe_table,
    table_row,
)


def _cost(millions: float, num_frames: int = 7) -> RecipeCost:
    size = int(millions * 1e6)
    return RecipeCost(
        crop_size=224,
        num_frames=num_frames,
        batch_size=32,
        parameters={
            "backbone": ParameterCount(size, 0),
            "head": ParameterCount(2_340_000, 2_340_000),
        },
        frame_flops={"backbone": 10_000_000_000, "head": 160_000_000},
        clip_flops={"backbone": 70_000_000_000, "head": 160_000_000},
        memory=TrainingMemory(weights=2**30, optimizer=2**29, ema=2**30, step=2**31),
    )


def test_a_row_by_hand():
    assert table_row("stage2/dino_large_t7.py", _cost(10)) == (
        "| [stage2/dino_large_t7](stage2/dino_large_t7.py) | 224 | 7 | 12.3 | 2.3 | 10.2 | 70.2 "
        "| 4.5 |"
    )


def test_single_frames_are_no_clips():
    row = table_row("stage1/dino_large.py", _cost(10, num_frames=1))
    assert row.endswith("| 224 | 1 | 12.3 | 2.3 | 10.2 |  | 4.5 |")


def test_families_stay_together_and_grow():
    names = ["a/dino_large", "a/dino_small", "a/dinov3_tiny", "b/dino_tiny", "a/dino_small_x"]
    sizes = [3, 2, 1, 1, 2]
    costs = {f"{n}.py": _cost(size) for n, size in zip(names, sizes, strict=True)}
    head, rule, *rows = recipe_table(costs).splitlines()
    order = ["a/dino_small", "a/dino_small_x", "a/dino_large", "a/dinov3_tiny", "b/dino_tiny"]
    assert [row.split("]")[0].removeprefix("| [") for row in rows] == order
    assert "GFLOPs a frame" in head and {line.count("|") for line in (head, rule, *rows)} == {9}


def test_bases_are_no_recipes(tmp_path):
    for name in ("_base_/models/x.py", "stage1/b.py", "stage1/a.py", "stage1/README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert recipe_files(tmp_path) == [tmp_path / "stage1" / "a.py", tmp_path / "stage1" / "b.py"]
