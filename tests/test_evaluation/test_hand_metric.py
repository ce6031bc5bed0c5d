import json
import os
import socket
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler, sampler
from mmengine.evaluator import Evaluator
from mmengine.evaluator import metric as mmengine_metric
from scipy.spatial.transform import Rotation

from handvit.datasets import HandClipDataset, hand_collate
from handvit.evaluation import hand_metric
from handvit.evaluation.hand_metric import HandMetric
from handvit.evaluation.predictions import PredictionFile
from handvit.evaluation.summary import summarize
from handvit.hand_models.mano_layer import ManoLayer
from handvit.registry import METRICS
from handvit.structures import HandBatch, HandLabels, HandPrediction, ManoParams

REPOSITORY = Path(__file__).resolve().parents[2]
OPENHAND = {"type": "ManoLayer", "source": "openhand"}
Root = namedtuple("Root", ["root_cam"])


def make_batch(truth, mano=None, mano_valid=None) -> HandBatch:
    """Clips of two frames; the first holds numbers that must not be used."""
    num_hands = len(truth)

    def clip(array, dtype=torch.float32):
        tensor = torch.as_tensor(array)
        tensor = tensor.to(dtype) if tensor.is_floating_point() else tensor
        decoy = tensor + 5 if tensor.is_floating_point() else ~tensor
        return torch.stack([decoy, tensor], dim=1)  # (B, 2, ...)

    if mano is None:
        mano = identity_mano(num_hands)
        mano_valid = torch.zeros(num_hands, dtype=torch.bool)
    return HandBatch(
        image=torch.zeros(num_hands, 2, 3, 1, 1, dtype=torch.uint8),
        image_size=torch.ones(num_hands, 2, 2),
        labels=HandLabels(
            sample_id=truth.sample_id.tolist(),
            is_right=clip(truth.is_right),
            bbox_xyxy=clip(truth.bbox_xyxy),
            focal=clip(truth.focal),
            princpt=clip(truth.princpt),
            camera_valid=clip(truth.camera_valid),
            frame_time=clip(truth.frame_time, torch.float64),
            frame_valid=torch.ones(num_hands, 2, dtype=torch.bool),
            keypoints_img=torch.zeros(num_hands, 2, 21, 2),
            keypoints_img_valid=torch.zeros(num_hands, 2, 21, dtype=torch.bool),
            keypoints_cam=clip(truth.keypoints_cam, torch.float64),
            keypoints_cam_valid=clip(truth.keypoints_cam_valid),
            mano=ManoParams(*(clip(tensor, torch.float64) for tensor in mano)),
            mano_valid=clip(mano_valid),
        ),
    )


def identity_mano(num_hands: int) -> ManoParams:
    return ManoParams(
        torch.eye(3).repeat(num_hands, 1, 1),
        torch.eye(3).repeat(num_hands, 15, 1, 1),
        torch.zeros(num_hands, 10),
        torch.zeros(num_hands, 3),
    )


def make_predictions(keypoints_cam, mano=None, vertices_cam=None) -> list[HandPrediction]:
    keypoints_cam = torch.as_tensor(keypoints_cam)
    num_hands = len(keypoints_cam)
    if mano is None:
        mano = identity_mano(num_hands)._replace(root_cam=keypoints_cam[:, 0])
    if vertices_cam is None:
        vertices_cam = torch.zeros(num_hands, 778, 3)
    return [
        HandPrediction(
            mano=ManoParams(*(tensor[i] for tensor in mano)),
            keypoints_cam=keypoints_cam[i],
            vertices_cam=vertices_cam[i],
            root=Root(mano.root_cam[i]),
            pose=None,
        )
        for i in range(num_hands)
    ]


@pytest.fixture
def pred(truth) -> np.ndarray:
    return truth.keypoints_cam + np.random.default_rng(0).normal(0, 0.01, (21, 21, 3))


def run(metric: HandMetric, truth, pred, size: int = 21) -> dict[str, float]:
    for rows in np.array_split(np.arange(len(truth)), 4):
        metric.process(make_batch(truth.select(rows)), make_predictions(pred[rows]))
    return metric.evaluate(size)


def test_it_is_registered_and_speaks_to_the_evaluator(truth, pred):
    with METRICS.switch_scope_and_registry("handvit"):
        evaluator = Evaluator({"type": "HandMetric"})
    evaluator.dataset_meta = {"name": "toy", "hand_model": None}
    evaluator.process(data_samples=make_predictions(pred), data_batch=make_batch(truth))
    assert evaluator.evaluate(21) == summarize(pred, truth)


def test_it_takes_what_the_loader_delivers(shards_root):
    dataset = HandClipDataset(str(shards_root), clip_length=3)
    metric = HandMetric(hand_model=OPENHAND)
    metric.dataset_meta = dataset.metainfo
    for start in range(0, len(dataset), 5):
        clips = [dataset[i] for i in range(start, min(start + 5, len(dataset)))]
        batch = hand_collate(clips)
        labels = batch.labels.last_frame()
        mano = ManoParams(*(tensor[:, 0] for tensor in labels.mano))
        meshes = [
            ManoLayer(is_right=bool(side))(*(tensor[i] for tensor in mano[:3]))
            for i, side in enumerate(labels.is_right[:, 0])
        ]
        vertices = torch.stack([mesh.vertices_rel for mesh in meshes]) + mano.root_cam[:, None]
        metric.process(batch, make_predictions(labels.keypoints_cam[:, 0], mano, vertices))
    metrics = metric.evaluate(len(dataset))
    assert metrics["num_hands"] == 24
    assert metrics["mpjpe_cam"] == 0 and metrics["root_error"] == 0
    assert metrics["mpvpe_cam"] < 1e-3


def test_it_measures_last_frames_like_summarize(truth, pred):
    metric = HandMetric()
    assert run(metric, truth, pred) == summarize(pred, truth)
    assert metric.results == []


def test_every_hand_counts_once_and_none_is_cut_off(truth, pred):
    metric = HandMetric()
    rows = np.r_[0:21, 3:9, 0:2]
    metrics = run(metric, truth.select(rows), pred[rows], size=2)
    assert metrics == summarize(pred, truth)


def test_the_first_of_repeated_hands_counts(truth, pred):
    metric = HandMetric()
    metric.process(make_batch(truth), make_predictions(pred))
    metric.process(make_batch(truth), make_predictions(pred + 1.0))
    assert metric.evaluate(21) == summarize(pred, truth)


def test_low_precision_predictions_are_accepted(truth, pred):
    metric = HandMetric()
    halves = [
        HandPrediction(
            ManoParams(*(t.bfloat16() for t in hand.mano)),
            hand.keypoints_cam.bfloat16(),
            hand.vertices_cam.bfloat16(),
            hand.root,
            hand.pose,
        )
        for hand in make_predictions(pred)
    ]
    metric.process(make_batch(truth), halves)
    assert metric.evaluate(21)["mpjpe_cam"] > 0


def test_no_hand_is_an_error():
    with pytest.raises(ValueError, match="no hand was processed"):
        HandMetric().evaluate(0)


@pytest.fixture
def world(truth):
    """Annotated openhand meshes of real left and right hands, and predictions 5 mm beside."""
    rng = np.random.default_rng(3)
    rotations = torch.as_tensor(Rotation.random(21 * 16, random_state=rng).as_matrix())
    small = torch.as_tensor(Rotation.from_rotvec(rng.normal(0, 0.1, (315, 3))).as_matrix())
    mano = ManoParams(
        global_orient=rotations[:21],
        hand_pose=small.reshape(21, 15, 3, 3),
        betas=torch.as_tensor(rng.normal(0, 0.5, (21, 10))),
        root_cam=torch.as_tensor(truth.keypoints_cam[:, 0]),
    )
    layers = {side: ManoLayer(is_right=side).double() for side in (True, False)}
    meshes = [
        layers[side](mano.global_orient[i], mano.hand_pose[i], mano.betas[i])
        for i, side in enumerate(truth.is_right.tolist())
    ]
    vertices = torch.stack([mesh.vertices_rel for mesh in meshes]) + mano.root_cam[:, None]
    keypoints = torch.stack([mesh.keypoints_rel for mesh in meshes]) + mano.root_cam[:, None]
    shift = torch.tensor([0.003, 0.0, 0.004], dtype=torch.float64)
    moved = mano._replace(root_cam=mano.root_cam + shift)
    return mano, moved, keypoints + shift, vertices + shift


def test_vertex_metrics_of_left_and_right_hands(truth, world):
    mano, moved, keypoints, vertices = world
    metric = HandMetric(hand_model=OPENHAND)
    metric.dataset_meta = {"hand_model": "openhand"}
    valid = torch.ones(21, dtype=torch.bool)
    metric.process(make_batch(truth, mano, valid), make_predictions(keypoints, moved, vertices))
    metrics = metric.evaluate(21)
    assert metrics["mpvpe_cam"] == pytest.approx(5.0)
    assert metrics["mpvpe_rel"] < 1e-6 and metrics["pa_mpvpe"] < 1e-6


def test_hands_without_mano_labels_have_no_vertex_error(truth, world):
    mano, moved, keypoints, vertices = world
    vertices = vertices.clone()
    vertices[10:] += 1.0
    metric = HandMetric(hand_model=OPENHAND)
    for start, stop in [(0, 5), (5, 15), (15, 21)]:  # all, some, none of a batch
        rows = slice(start, stop)
        valid = torch.arange(start, stop) < 10
        part = ManoParams(*(tensor[rows] for tensor in mano))
        there = ManoParams(*(tensor[rows] for tensor in moved))
        metric.process(
            make_batch(truth.select(np.arange(start, stop)), part, valid),
            make_predictions(keypoints[rows], there, vertices[rows]),
        )
    assert metric.evaluate(21)["mpvpe_cam"] == pytest.approx(5.0)


def test_repeated_hands_have_their_first_vertex_error(truth, world):
    mano, moved, keypoints, vertices = world
    metric = HandMetric(hand_model=OPENHAND)
    for start, offset in [(15, 0.0), (0, 0.0), (10, 1.0)]:
        rows = slice(start, start + 15)
        count = len(truth.sample_id[rows])
        metric.process(
            make_batch(
                truth.select(np.arange(21)[rows]),
                ManoParams(*(tensor[rows] for tensor in mano)),
                torch.ones(count, dtype=torch.bool),
            ),
            make_predictions(
                keypoints[rows],
                ManoParams(*(tensor[rows] for tensor in moved)),
                vertices[rows] + offset,
            ),
        )
    assert metric.evaluate(21)["mpvpe_cam"] == pytest.approx(5.0)


def test_without_a_hand_model_there_are_no_vertex_metrics(truth, world):
    mano, moved, keypoints, vertices = world
    metric = HandMetric()
    valid = torch.ones(21, dtype=torch.bool)
    metric.process(make_batch(truth, mano, valid), make_predictions(keypoints, moved, vertices))
    assert not any("mpvpe" in name for name in metric.evaluate(21))


def test_another_hand_models_labels_are_refused(truth, world):
    mano, moved, keypoints, vertices = world
    metric = HandMetric(hand_model=OPENHAND)
    metric.dataset_meta = {"hand_model": "mano"}
    valid = torch.ones(21, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"hand_model is 'openhand', the data set's .* 'mano'"):
        metric.process(make_batch(truth, mano, valid), make_predictions(keypoints, moved, vertices))


def test_the_dump_holds_what_was_measured(truth, world, tmp_path):
    _, moved, keypoints, vertices = world
    path = tmp_path / "dump.npz"
    metric = HandMetric(hand_model=OPENHAND, dump_path=path, config="c.py", checkpoint="last.pth")
    order = np.random.default_rng(0).permutation(21)
    metric.process(
        make_batch(truth.select(order)),
        make_predictions(keypoints[order], ManoParams(*(t[order] for t in moved)), vertices[order]),
    )
    metrics = metric.evaluate(21)
    dump = PredictionFile.load(path)
    assert dump.sample_id.tolist() == sorted(truth.sample_id.tolist())
    assert dump.header.config == "c.py" and dump.header.checkpoint == "last.pth"
    assert dump.header.hand_model == ManoLayer().identity

    rows = np.argsort(truth.sample_id)
    truth = truth.select(rows)
    again = summarize(dump.keypoints_cam, truth)
    assert again == pytest.approx(metrics, abs=1e-3)
    assert np.allclose(dump.root_cam, moved.root_cam[rows], atol=1e-6)
    matrices = Rotation.from_rotvec(dump.hand_pose.reshape(-1, 3)).as_matrix()
    assert np.allclose(matrices.reshape(21, 15, 3, 3), moved.hand_pose[rows], atol=1e-5)
    assert (dump.frame_time == truth.frame_time).all() and (dump.is_right == truth.is_right).all()


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8, 30])
@pytest.mark.parametrize("num_hands", [1, 7, 20, 21])
def test_any_number_of_processes_and_any_remainder(truth, pred, monkeypatch, world_size, num_hands):
    """Deal out, pad and gather as MMEngine does; every hand counts once."""
    rows = np.arange(num_hands)
    results = []
    for rank in range(world_size):
        monkeypatch.setattr(sampler, "get_dist_info", lambda rank=rank: (rank, world_size))
        share = np.array(list(DefaultSampler(rows, shuffle=False)))
        metric = HandMetric()
        for start in range(0, len(share), 4):
            batch = share[start : start + 4]
            metric.process(make_batch(truth.select(batch)), make_predictions(pred[batch]))
        results.append(metric.results)

    def collect(own, size, *_):  # one item a process, in turns, cut to size
        assert len(own) == 1
        return results[:size]

    monkeypatch.setattr(mmengine_metric, "collect_results", collect)
    monkeypatch.setattr(hand_metric, "get_world_size", lambda: world_size)
    assert metric.evaluate(num_hands) == summarize(pred[rows], truth.select(rows))


WORKER = """
import json, sys
from pathlib import Path
import numpy as np
import torch
from mmengine.dist import get_rank

sys.path.insert(0, sys.argv[1])
from conftest import _make_truth
from test_hand_metric import make_batch, make_predictions
from handvit.datasets import HandClipDataset, hand_collate
from handvit.evaluation.hand_metric import HandMetric

torch.distributed.init_process_group("gloo")
truth = _make_truth()
pred = truth.keypoints_cam + np.random.default_rng(0).normal(0, 0.01, (21, 21, 3))
shares = {0: np.r_[0:3, 8:21], 1: np.r_[2:9]}  # uneven, and some hands twice
rows = shares[get_rank()]
metric = HandMetric(dump_path=sys.argv[2])
for part in np.array_split(rows, 3):
    metric.process(make_batch(truth.select(part)), make_predictions(pred[part]))
metrics = metric.evaluate(15)
Path(sys.argv[2]).with_name(f"rank{get_rank()}.json").write_text(json.dumps(metrics))
torch.distributed.destroy_process_group()
"""


def test_two_processes_agree_with_one(truth, pred, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    dump = tmp_path / "dump.npz"
    command = [sys.executable, "-c", WORKER, str(Path(__file__).parent), str(dump)]
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": "2",
        "OMP_NUM_THREADS": "1",
    }
    workers = [
        subprocess.Popen(command, env={**environment, "RANK": str(rank)}, cwd=tmp_path)
        for rank in (0, 1)
    ]
    try:
        assert [worker.wait(timeout=120) for worker in workers] == [0, 0]
    finally:
        for worker in workers:
            worker.kill()
    expected = summarize(pred, truth)
    for rank in (0, 1):
        metrics = json.loads((tmp_path / f"rank{rank}.json").read_text())
        assert metrics == pytest.approx(expected, rel=0, abs=1e-9)
    assert PredictionFile.load(dump).sample_id.tolist() == truth.sample_id.tolist()
