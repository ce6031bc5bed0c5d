from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor import Status, examine
from handvit.datasets.doctor.anatomy import KNOWN_ORDERS
from handvit.datasets.doctor.examination import CHECKS, examine_table, to_record, worst_status
from handvit.hand_models.mano_assets import load_hand_asset
from handvit.structures import HandSample
from handvit.structures.skeleton import MANO_TO_CANONICAL

MEAN_POSE = {side: load_hand_asset("openhand", is_right=side).hands_mean for side in (True, False)}
INTERHAND = KNOWN_ORDERS["each finger tip to base, wrist last (InterHand2.6M)"]


def swapped_side(sample):
    start, _, side = sample.sample_id.rpartition("/")
    other = {"left": "right", "right": "left"}[side]
    return replace(sample, sample_id=f"{start}/{other}", is_right=not sample.is_right)


def reordered(order):
    """Store keypoints in another order: the inverse of what brings them into the canonical one."""
    inverse = np.argsort(order)

    def break_sample(sample):
        keypoints = sample.keypoints_cam[inverse], sample.keypoints_img[inverse]
        return replace(sample, keypoints_cam=keypoints[0], keypoints_img=keypoints[1])

    return break_sample


def scaled(**factors):
    """Multiply fields of a sample."""

    def break_sample(sample):
        return replace(sample, **{name: getattr(sample, name) * f for name, f in factors.items()})

    return break_sample


def with_mean_pose(count):
    def break_sample(sample):
        return replace(sample, hand_pose=sample.hand_pose + count * MEAN_POSE[sample.is_right])

    return break_sample


def moved_center(sample):
    return replace(sample, princpt=sample.princpt + np.array([4.0, -3.0]))


#: What was broken -> how, all checks that must fail, and what the one that names it must say.
FAULTS = {
    "mm for m": (
        scaled(keypoints_cam=1000, mano_root_cam=1000),
        {"units", "mano_gap"},
        ("units", "look like millimetres"),
    ),
    "tip to base": (
        reordered(INTERHAND),
        {"joint_order", "bone_lengths", "mano_gap"},
        ("joint_order", "it looks like: each finger tip to base, wrist last"),
    ),
    "MANO's order": (
        reordered(MANO_TO_CANONICAL),
        {"joint_order", "bone_lengths", "mano_gap"},
        ("joint_order", "it looks like: MANO's 16 joints, then the tips"),
    ),
    "swapped sides": (
        swapped_side,
        {"handedness", "mano_gap"},
        ("handedness", "100.0% of 69 bent hands bend like a hand of the other side"),
    ),
    "y of OpenGL": (
        scaled(keypoints_cam=[1, -1, 1]),
        {"camera_axes", "handedness", "reprojection", "mano_gap"},
        ("camera_axes", "they reproject with y flipped (OpenGL axes)"),
    ),
    "x and y mirrored": (
        scaled(keypoints_cam=[-1, -1, 1]),
        {"camera_axes", "reprojection", "mano_gap"},
        ("camera_axes", "they reproject with x and y flipped"),
    ),
    "shifted principal point": (
        moved_center,
        {"principal_point", "reprojection"},
        ("principal_point", "the median is -4.00, +3.00 px away"),
    ),
    "focal length of the frame": (
        scaled(focal=1.2),
        {"focal_length", "reprojection"},
        ("focal_length", "0.833 and 0.833 times the stored one"),
    ),
    "mean pose twice": (
        with_mean_pose(1),
        {"mean_pose", "mano_gap"},
        ("mean_pose", "the mean pose was added twice"),
    ),
    "mean pose never": (
        with_mean_pose(-1),
        {"mean_pose", "mano_gap"},
        ("mean_pose", "the mean pose was never added"),
    ),
    "30 fps as 5 fps": (
        scaled(frame_time=6),
        {"frame_rate"},
        ("frame_rate", "frame_time runs too slowly: wrong fps"),
    ),
    "30 fps as 120 fps": (
        scaled(frame_time=0.25),
        {"frame_rate"},
        ("frame_rate", "frame_time runs too fast: wrong fps"),
    ),
    "milliseconds": (
        scaled(frame_time=1000),
        {"frame_rate"},
        ("frame_rate", "frame_time runs too slowly: wrong fps, or not in seconds"),
    ),
}


def names(findings, status):
    return {finding.name for finding in findings if finding.status is status}


def test_good_data_is_all_right(good_root):
    findings = examine(good_root)
    assert names(findings, Status.OK) == {finding.name for finding in findings}
    assert len(findings) == len(CHECKS) + 2
    assert worst_status(findings) is Status.OK
    assert not any(finding.worst for finding in findings)


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_caught_by_name(fault, good_samples, write):
    break_sample, expected, (name, words) = FAULTS[fault]
    findings = examine(write([break_sample(sample) for sample in good_samples]))
    assert names(findings, Status.FAILED) == expected
    assert worst_status(findings) is Status.FAILED
    named = next(finding for finding in findings if finding.name == name)
    assert words in named.sentence
    assert named.worst or name == "frame_rate"


@pytest.mark.parametrize(
    "fault",
    ["mm for m", "tip to base", "MANO's order", "swapped sides", "y of OpenGL", "mean pose twice",
     "shifted principal point"],
)  # fmt: skip
def test_a_fault_in_some_of_the_hands_is_caught_and_they_are_named(fault, good_samples, write):
    """Break one track of six: a converter's special case."""
    break_sample, _, (name, _) = FAULTS[fault]
    samples = [
        break_sample(sample) if "seq000001" in sample.sample_id else sample
        for sample in good_samples
    ]
    findings = examine(write(samples))
    named = next(finding for finding in findings if finding.name == name)
    assert named.status is Status.FAILED
    assert all("seq000001" in sample_id for sample_id in named.worst)


def test_hands_behind_the_camera_are_caught_by_name(good_samples, write, monkeypatch):
    """Whole OpenGL axes; the writer refuses them, so it is blindfolded."""
    broken = [scaled(keypoints_cam=[1, -1, -1])(sample) for sample in good_samples]
    with pytest.raises(ValueError, match="want metres with z forward"):
        write(broken[:1])
    with monkeypatch.context() as patch:
        patch.setattr(HandSample, "validate", lambda sample: sample)
        root = write([*broken[:40], *good_samples[40:]])
    findings = examine(root)
    assert names(findings, Status.FAILED) == {"records", "camera_axes"}
    sentence = next(finding.sentence for finding in findings if finding.name == "camera_axes")
    assert "40 hands lie behind the camera, z negative (OpenGL axes)" in sentence


def test_nothing_but_bad_records(good_samples, write, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(HandSample, "validate", lambda sample: sample)
        root = write([scaled(keypoints_cam=-1)(sample) for sample in good_samples[:3]])
    findings = examine(root)
    assert [finding.name for finding in findings] == ["records", "camera_axes"]
    assert names(findings, Status.FAILED) == {"records", "camera_axes"}


@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_data_without_3d_labels_have_their_checks_skipped(good_samples, write):
    samples = [
        replace(
            sample,
            keypoints_cam_valid=np.zeros(21, bool),
            camera_valid=False,
            mano_valid=False,
            frame_time=0.0,
            sample_id=f"flat/seq{number}/cam0/0/{'right' if sample.is_right else 'left'}",
        )
        for number, sample in enumerate(good_samples)
    ]
    findings = examine(write(samples))
    assert names(findings, Status.OK) == {"records", "labels", "duplicates", "boxes"}
    assert names(findings, Status.SKIPPED) == {f.name for f in findings} - names(
        findings, Status.OK
    )


def test_real_data_have_no_false_failures(shared_data, tmp_path, load_tool):
    root = tmp_path / "train"
    source = shared_data / "handgraph_realworld"
    load_tool("dataset_converters/handgraph.py").main([str(source), str(root), "--split", "train"])
    findings = examine(root)
    assert not names(findings, Status.FAILED)
    # Its frames are a subsampled video and its times are nominal, so speeds are not physical.
    assert "frame_rate" in names(findings, Status.WARNING)
    assert names(findings, Status.SKIPPED) == {"mano_gap", "mean_pose"}


def test_the_record_is_plain_and_repeatable(good_root, good_table):
    findings = examine_table(good_table, None)
    record = to_record(good_table, findings)
    assert record == to_record(good_table, examine(good_root)[: len(CHECKS)] + findings[-2:])
    assert (record["num_samples"], record["num_examined"]) == (102, 102)
    assert record["status"] == "ok"


def test_few_samples_are_examined_if_so_wished(good_root):
    counts = []
    findings = examine(good_root, max_samples=20, report=counts.append)
    assert sum(counts) == 20
    assert not names(findings, Status.FAILED)
