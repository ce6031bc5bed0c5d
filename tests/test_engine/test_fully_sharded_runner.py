"""What several processes do together is in test_distributed.py."""

from handvit.engine.fully_sharded_runner import FullyShardedRunner


def test_one_process_trains_as_with_the_other_runner(build, tmp_path):
    runner = build("stage1_tiny.py", "run", {"runner_type": "FullyShardedRunner"})
    runner.train()
    assert isinstance(runner, FullyShardedRunner)
    assert (tmp_path / "run" / "iter_4.pth").is_file()
