from handvit.engine.progress_log_processor import format_progress


def test_a_line_begins_with_what_matters_and_ends_with_speed():
    scalars = dict(
        base_lr=1e-4,
        lr=1.25e-4,
        data_time=0.1,
        time=0.2,
        grad_norm=1.5,
        loss=0.25,
        loss_root=0.125,
        samples_per_s=1412.34,
        data_share=0.034,
        memory=21811,
        iter=1200,
    )
    line = format_progress(scalars, max_iters=100_000, eta=5025.7)
    assert line == (
        "Iter(train) [  1200/100000]  eta 1:23:45  loss 0.2500  lr 1.25e-04  grad_norm 1.5000"
        "  root 0.1250  1,412.3 samples/s  data 3%  mem 21,811 MB"
    )


def test_what_is_unknown_is_left_out():
    assert format_progress(dict(iter=1), max_iters=9, eta=None) == "Iter(train) [1/9]"
    line = format_progress(dict(iter=1, loss=float("nan"), steps=3), max_iters=9, eta=0)
    assert line == "Iter(train) [1/9]  eta 0:00:00  loss nan  steps 3"


def test_trainings_write_such_lines_and_mmengines_scalars(build, tmp_path):
    options = {"default_hooks.logger.interval": 2, "log_level": "INFO"}
    build("stage1_tiny.py", "run", options).train()
    (log,) = (tmp_path / "run").glob("*/*.log")
    first, last = (line for line in log.read_text().splitlines() if "Iter(train)" in line)
    assert "Iter(train) [2/4]  eta 0:00:0" in first
    assert "  loss " in last and "  lr " in last and " samples/s  data " in last
    assert "Iter(val) [8/8]    mpjpe_cam: " in log.read_text()
    (scalars,) = (tmp_path / "run").glob("*/vis_data/scalars.json")
    for name in ("samples_per_s", "data_share", "grad_norm", "lr", "time", "loss_root"):
        assert f'"{name}"' in scalars.read_text(), name


def test_trainings_in_epochs_keep_mmengines_lines(build, tmp_path):
    options = {"default_hooks.logger.interval": 2, "log_level": "INFO"}
    build("stage1_tiny.py", "run", {**options, "log_processor.by_epoch": True}).train()
    (log,) = (tmp_path / "run").glob("*/*.log")
    assert "Epoch(train)" in log.read_text()
