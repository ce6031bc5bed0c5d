import pytest

from handvit.datasets.conversion.command_line import (
    add_mano_option,
    converter_parser,
    run_conversion,
)
from handvit.datasets.conversion.converter import Unit
from handvit.datasets.conversion.view import CropView, FullFrameView
from handvit.datasets.shards.dataset_info import DatasetInfo


class _Converter:
    def __init__(self, view, make_sample, error=None):
        self.view, self.make_sample, self.error = view, make_sample, error
        self.info = DatasetInfo(
            name="tiny", split="train", source="random", license="CC0-1.0", hand_model="openhand"
        )

    def units(self):
        return [Unit("first", 1), Unit("second", 1)]

    def samples(self, unit):
        if self.error:
            raise self.error
        yield self.make_sample(track=unit.name == "second")


@pytest.fixture
def run(tmp_path, make_sample):
    """Return ``run(options, error)``: the message, and the converter that was built."""
    (tmp_path / "raw").mkdir()

    def run(*options, error=None):
        built = []

        def build(view):
            built.append(_Converter(view, make_sample, error))
            return built[0]

        parser = converter_parser("Convert.", splits=["train", "val"])
        add_mano_option(parser)
        arguments = [str(tmp_path / "raw"), str(tmp_path / "out"), "--split", "train", *options]
        return run_conversion(parser, parser.parse_args(arguments), build), built[0]

    return run


def test_all_of_it_in_crops_by_default(run, tmp_path):
    message, converter = run("--num-workers", "1")
    assert "out: 2 samples in 1 shards" in message and "manifest.json" in message
    assert converter.view == CropView(image_size=384, context=2.5)
    assert (tmp_path / "out" / "dataset.json").is_file()


def test_views_and_shards_by_option(run):
    message, converter = run("--num-shards", "2", "--image-size", "256", "--context", "3")
    assert "2 samples in 2 shards" in message
    assert converter.view == CropView(image_size=256, context=3.0)


def test_full_frames(run):
    assert run("--full-frame")[1].view == FullFrameView()


def test_one_job_of_an_array(run):
    options = ["--num-shards", "2", "--num-workers", "1", "--shard-index"]
    assert "shard 1 is finished, others are still missing" in run(*options, "1")[0]
    assert "2 samples in 2 shards" in run(*options, "0")[0]


def test_a_second_run_needs_resume(run, capsys):
    run()
    with pytest.raises(SystemExit) as stopped:
        run()
    assert stopped.value.code == 1
    assert "add --resume" in capsys.readouterr().err
    assert "2 samples" in run("--resume")[0]


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (ValueError("labels.json: broken"), 1, "error: labels.json: broken\n"),
        (
            OSError(28, "No space left on device"),
            1,
            "when it is mended, add --resume",
        ),
        (KeyboardInterrupt(), 130, "repeat the command with --resume"),
    ],
)
def test_errors_and_interrupts_are_one_line(run, capsys, error, status, message):
    with pytest.raises(SystemExit) as stopped:
        run("--num-workers", "1", error=error)
    assert stopped.value.code == status
    assert message in capsys.readouterr().err


def test_a_missing_source_is_named(tmp_path, capsys):
    parser = converter_parser("Convert.", splits=["train"])
    args = parser.parse_args([str(tmp_path / "raw"), str(tmp_path / "out"), "--split", "train"])
    with pytest.raises(SystemExit):
        run_conversion(parser, args, lambda view: None)
    assert "raw: no such folder" in capsys.readouterr().err


def test_bad_settings_are_refused_before_any_work(run, capsys):
    with pytest.raises(SystemExit):
        run("--image-size", "5")
    assert "image_size: 5 must be in [32, 4096] px" in capsys.readouterr().err
