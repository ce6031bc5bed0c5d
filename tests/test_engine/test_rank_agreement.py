import multiprocessing

import torch.distributed

from handvit.engine.rank_agreement import RankAgreement


def test_one_process_agrees_with_itself():
    agreement = RankAgreement()
    assert agreement.largest(3) == 3
    assert agreement.smallest(-2) == -2


def _agree(rank: int, store: str, found: multiprocessing.Queue) -> None:
    torch.distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=3)
    agreement = RankAgreement()
    found.put((agreement.largest(rank), agreement.smallest(10 - rank), agreement.largest(True)))
    torch.distributed.barrier()


def test_all_processes_get_the_same(tmp_path):
    fork = multiprocessing.get_context("fork")
    found = fork.Queue()
    processes = [
        fork.Process(target=_agree, args=(rank, str(tmp_path / "store"), found))
        for rank in range(3)
    ]
    for process in processes:
        process.start()
    results = [found.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert results == 3 * [(2, 8, 1)]
