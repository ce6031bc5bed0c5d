import hashlib
import json

import numpy as np
import pytest

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.conversion.shard_report import Moments, ShardReport, report_path


def _report(make_sample, tracks, num_rejected=0) -> ShardReport:
    report = ShardReport(num_frames=len(tracks) + num_rejected)
    samples = [make_sample(track=track) for track in tracks]
    rejections = [Rejection("image is missing", f"{i}.jpg") for i in range(num_rejected)]
    assert list(report.watch([*rejections, *samples])) == samples
    return report


def test_moments_are_those_of_numpy():
    values = np.random.default_rng(0).normal(3, 2, 50)
    moments = Moments()
    moments.add(values[:10])
    moments.add(values[10:10])
    other = Moments()
    other.add(values[10:])
    moments.merge(other)
    summary = moments.summary()
    assert summary["count"] == 50
    assert summary["mean"] == pytest.approx(values.mean())
    assert summary["std"] == pytest.approx(values.std())
    assert (summary["min"], summary["max"]) == (values.min(), values.max())
    assert Moments().summary() == {"count": 0}


def test_samples_pass_and_everything_is_counted(make_sample):
    report = _report(make_sample, [0, 1, 2], num_rejected=7)
    assert (report.num_samples, report.num_right, report.num_mano) == (3, 2, 3)
    assert report.rejected == {"image is missing": 7}
    assert report.examples == {"image is missing": [f"{i}.jpg" for i in range(5)]}
    assert report.root_depth.count == report.mano_residual.count == 3


def test_bones_are_measured_along_the_middle_finger(make_sample):
    sample = make_sample()
    sample.keypoints_cam[[0, 9, 10, 11, 12]] = np.array([0, 9, 12, 14, 15])[:, None] * [0, 0.01, 0]
    report = ShardReport()
    list(report.watch([sample]))
    assert report.middle_bones.summary()["mean"] == pytest.approx(0.15)
    sample.keypoints_cam_valid[11] = False
    list(report.watch([sample]))
    assert report.middle_bones.count == 1


def test_reports_survive_the_disk_and_add_up(tmp_path, make_sample):
    (tmp_path / "shard-000003.tar").write_bytes(b"tar")
    first = _report(make_sample, [0, 1], num_rejected=1)
    first.save(tmp_path, 3)
    assert report_path(tmp_path, 3).name == "shard-000003.report.json"
    loaded = ShardReport.load(tmp_path, 3)
    assert loaded == first
    assert loaded.sha256 == {"shard-000003.tar": hashlib.sha256(b"tar").hexdigest()}
    loaded.merge(_report(make_sample, [2], num_rejected=6))
    together = _report(make_sample, [0, 1, 2], num_rejected=7)
    assert loaded.rejected == together.rejected and loaded.num_samples == 3
    assert len(loaded.examples["image is missing"]) == 5
    assert loaded.summary()["root_depth"] == pytest.approx(together.summary()["root_depth"])
    json.dumps(loaded.summary())


def test_a_shard_without_samples_has_no_digest(tmp_path, make_sample):
    _report(make_sample, [], num_rejected=2).save(tmp_path, 0)
    assert ShardReport.load(tmp_path, 0).sha256 == {}
