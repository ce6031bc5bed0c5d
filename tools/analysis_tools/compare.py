"""Compare trained models with the baselines that they have to beat.

    python tools/analysis_tools/compare.py --data ROOT --train-data ROOT [ROOT ...] \\
        --stage1 PRED.npz [--stage2 PRED.npz] --out DIR

Rows: the constant predictor (fitted on the training labels), stage 1, stage 1 smoothed by a
One-Euro filter, stage 2. Prediction files come from ``tools/test.py --dump``. Writes metrics.json,
overlays/*.jpg and report.html into DIR and prints the table. Without ``--stage2`` there is nothing
to smooth against and two rows remain.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from handvit.atomic_file import atomic_file
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.evaluation import (
    ConstantPredictor,
    GroundTruth,
    OneEuroSettings,
    PredictionFile,
    fit_one_euro,
    format_table,
    smooth_tracks,
    summarize,
)
from handvit.evaluation.data_labels import read_ground_truth, read_mano, rows_of, sort_by_id
from handvit.evaluation.depth_bins import bin_by_depth
from handvit.evaluation.functional import keypoint_errors
from handvit.evaluation.hand_meshes import HandMeshes
from handvit.evaluation.mesh_comparison import mesh_errors
from handvit.evaluation.one_euro_tracks import DEFAULT_SETTINGS
from handvit.evaluation.summary import VertexErrors
from handvit.visualization.comparison_pictures import ANNOTATION, draw_comparison, spread_choice
from handvit.visualization.comparison_report import comparison_report
from handvit.visualization.plots import plot_depth_bins, plot_training, read_scalars

CONSTANT, STAGE1, SMOOTHED, STAGE2 = "constant", "stage1", "stage1_one_euro", "stage2"
MAX_TRAIN_HANDS = 100_000  # of each data set, evenly chosen: plenty for 67 numbers
JPEG_QUALITY = 92


def main(arguments: Sequence[str] | None = None) -> None:
    """Read, compare, write."""
    args = parse_args(arguments)
    files = {STAGE1: args.stage1, **({STAGE2: args.stage2} if args.stage2 else {})}
    files = sort_by_id({name: PredictionFile.load(path) for name, path in files.items()})
    hand_model = common_hand_model(files)
    reader = ShardReader(args.data)
    everyone = read_ground_truth(reader)
    data_rows = rows_of(files[STAGE1].sample_id, everyone, args.data)
    truth = everyone.select(data_rows)

    constant = ConstantPredictor.fit(read_training_hands(args.train_data))
    settings, tuned_on = choose_one_euro(args.tune, args.tune_data, truth)
    hands = predicted_hands(files, truth, constant, settings)
    vertices, note = vertex_errors_of(args, files, reader.info, reader, data_rows)
    rows = {name: summarize(pred, truth, vertices.get(name)) for name, pred in hands.items()}

    bins = {name: bin_by_depth(pred, truth) for name, pred in hands.items()}
    result = {
        "rows": rows,
        "units": "mm",
        "hand_model": hand_model,
        "num_hands": len(truth),
        "num_hands_in_data": len(everyone),
        "constant_predictor": constant.to_json(),
        "one_euro": {
            "used": SMOOTHED in hands,
            "tuned_on": tuned_on,
            **{part: params._asdict() for part, params in settings._asdict().items()},
        },
        "depth_bins": {name: values.to_json() for name, values in bins.items()},
        "settings": {**vars(args), "out": str(args.out), "vertex_metrics": note},
        "predictions": {name: vars(file.header) for name, file in files.items()},
    }
    overlays = draw_overlays(reader, data_rows, truth, hands, args.num_pictures)
    logs = {name: read_scalars(path) for name, path in args.train_log}
    report = comparison_report(
        result,
        depth_plot=plot_depth_bins(bins),
        training_plot=plot_training(logs) if logs else None,
        overlays=overlays,
    )
    args.out.mkdir(parents=True, exist_ok=True)
    with atomic_file(args.out / "metrics.json") as file:
        file.write(json.dumps(result, indent=2).encode() + b"\n")
    save_overlays(args.out / "overlays", overlays)
    report.write(args.out / "report.html")
    print(format_table(rows))
    print(f"{note}; written to {args.out}")


def parse_args(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--data", required=True, metavar="ROOT", help="data set that was predicted")
    add("--train-data", required=True, nargs="+", metavar="ROOT", help="to fit the constant on")
    add("--stage1", required=True, metavar="PRED", help="prediction file of stage 1")
    add("--stage2", metavar="PRED", help="prediction file of stage 2, same hands")
    add("--out", required=True, type=Path, metavar="DIR", help="folder to write to")
    add("--train-log", nargs="+", default=[], type=named_path, metavar="NAME=scalars.json")
    add("--num-pictures", type=int, default=12, help="overlays, from the best hand to the worst")
    add("--tune", metavar="PRED", help="stage-1 predictions to fit the One-Euro filter on")
    add("--tune-data", metavar="ROOT", help="data set of --tune; not the one compared on")
    add("--hand-model", metavar="SOURCE", help="MANO file for vertex metrics; openhand needs none")
    add("--left-hand-model", metavar="SOURCE", help="the same for left hands")
    args = parser.parse_args(arguments)
    if bool(args.tune) != bool(args.tune_data):
        parser.error("--tune and --tune-data belong together")
    return args


def named_path(text: str) -> tuple[str, str]:
    """Split NAME=PATH."""
    name, separator, path = text.partition("=")
    if not (name and separator and path):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PATH, such as stage1=scalars.json")
    return name, path


def common_hand_model(files: Mapping[str, PredictionFile]) -> str:
    """Return the hand model that all predictions were made with."""
    found = {name: file.header.hand_model for name, file in files.items()}
    if len(set(found.values())) > 1:
        raise ValueError(f"predictions of different hand models cannot be compared: {found}")
    return found[STAGE1]


def read_training_hands(roots: Sequence[str]) -> GroundTruth:
    """Join the labels of the training data sets."""
    parts = [read_ground_truth(ShardReader(root), MAX_TRAIN_HANDS) for root in roots]
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return GroundTruth(*(np.concatenate(column) for column in columns))


def choose_one_euro(
    path: str | None, data: str | None, truth: GroundTruth
) -> tuple[OneEuroSettings, str | None]:
    """Fit the filter on other predictions, or take the documented default."""
    if path is None:
        return DEFAULT_SETTINGS, None
    predictions = PredictionFile.load(path)
    shared = set(predictions.sample_id.tolist()) & set(truth.sample_id.tolist())
    if shared:
        raise ValueError(
            f"--tune {path}: holds {len(shared)} of the hands compared on, such as"
            f" {min(shared)!r}; tune on other tracks"
        )
    everyone = read_ground_truth(ShardReader(data))
    known = everyone.select(rows_of(predictions.sample_id, everyone, data))
    return fit_one_euro(predictions.keypoints_cam, known), path


def predicted_hands(
    files: Mapping[str, PredictionFile],
    truth: GroundTruth,
    constant: ConstantPredictor,
    settings: OneEuroSettings,
) -> dict[str, np.ndarray]:
    """Return the keypoints of every row of the table, (N, 21, 3) metres each."""
    stage1 = files[STAGE1].keypoints_cam
    hands = {CONSTANT: constant.predict(truth), STAGE1: stage1}
    if STAGE2 in files:
        hands[SMOOTHED] = smooth_tracks(stage1, truth.sample_id, truth.frame_time, settings)
        hands[STAGE2] = files[STAGE2].keypoints_cam
    return hands


def vertex_errors_of(
    args: argparse.Namespace,
    files: Mapping[str, PredictionFile],
    info: DatasetInfo,
    reader: ShardReader,
    data_rows: np.ndarray,
) -> tuple[dict[str, VertexErrors], str]:
    """Measure meshes where labels and predictions are of one hand model; say why not otherwise."""
    source = args.hand_model or ("openhand" if info.hand_model == "openhand" else None)
    if info.hand_model is None:
        return {}, "no vertex metrics: the data set has no mesh labels"
    if source is None:
        return {}, "no vertex metrics: name the labels' MANO file with --hand-model"
    left = args.left_hand_model or source
    meshes = HandMeshes(
        {"type": "handvit.ManoLayer", "source": source},
        left_hand_model={"type": "handvit.ManoLayer", "source": left},
    )
    identity, predicted_with = meshes.identity, files[STAGE1].header.hand_model
    if meshes.layer(is_right=True).asset.name != info.hand_model or predicted_with != identity:
        reason = (
            f"labels are of hand model {info.hand_model}, predictions of"
            f" {predicted_with or 'unknown'}, vertices would be of {identity}"
        )
        if args.hand_model:
            raise ValueError(f"--hand-model {args.hand_model}: {reason}")
        return {}, f"no vertex metrics: {reason}"
    mano, valid = read_mano(reader, data_rows)
    errors = {name: mesh_errors(meshes, file, mano, valid) for name, file in files.items()}
    return errors, f"vertex metrics with {identity}"


def draw_overlays(
    reader: ShardReader,
    data_rows: np.ndarray,
    truth: GroundTruth,
    hands: Mapping[str, np.ndarray],
    count: int,
) -> dict[str, bytes]:
    """Draw hands from the best to the worst of the last row, sample id -> JPEG."""
    last = torch.as_tensor(list(hands.values())[-1])
    errors = keypoint_errors(last, torch.as_tensor(truth.keypoints_cam)).mean(dim=-1).numpy()
    complete = np.flatnonzero(truth.keypoints_cam_valid.all(axis=1) & truth.camera_valid)
    shown = {name: pred for name, pred in hands.items() if name in (STAGE1, STAGE2)}
    pictures = {}
    for row in complete[spread_choice(errors[complete], count)]:
        sample = reader.read_sample(data_rows[row])
        picture = draw_comparison(
            decode_image(sample.image, sample.image_size),
            {ANNOTATION: truth.keypoints_cam[row], **{n: pred[row] for n, pred in shown.items()}},
            camera=(truth.focal[row], truth.princpt[row]),
            bbox_xyxy=truth.bbox_xyxy[row],
        )
        bgr = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
        jpeg = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
        pictures[sample.sample_id] = jpeg.tobytes()
    return pictures


def save_overlays(folder: Path, pictures: Mapping[str, bytes]) -> None:
    """Write the overlays of this run, numbered; those of an earlier one go."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.jpg"):
        old.unlink()
    for number, (sample_id, jpeg) in enumerate(pictures.items()):
        (folder / f"{number:02d}_{sample_id.replace('/', '_')}.jpg").write_bytes(jpeg)


if __name__ == "__main__":
    main()
