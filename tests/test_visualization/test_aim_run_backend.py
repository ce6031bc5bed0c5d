import pytest

from handvit.visualization import AimRunBackend

aim = pytest.importorskip("aim")


def test_a_resumed_training_goes_on_with_its_run(tmp_path):
    for time, steps in (("20260101_000000", (10, 20)), ("20260102_000000", (30,))):
        folder = tmp_path / "work" / time / "vis_data"
        folder.mkdir(parents=True)
        backend = AimRunBackend(str(folder), init_kwargs=dict(repo=str(tmp_path)))
        for step in steps:
            backend.add_scalars({"loss": -1.0 * step}, step=step)
        backend.close()
    (run_hash,) = aim.Repo(str(tmp_path)).list_all_runs()
    run = aim.Run(repo=str(tmp_path), run_hash=run_hash)
    (loss,) = (metric for metric in run.metrics() if metric.name == "loss")
    assert sorted(loss.values.sparse_list()[1]) == [-30, -20, -10]
    assert run.experiment == "work"
