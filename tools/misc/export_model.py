"""Write a trained model to a folder for those who use it: weights, config and provenance.

    python tools/misc/export_model.py CONFIG CHECKPOINT --out DIR

The folder needs neither the pretrained backbone nor the statistics file, nor anything but the hand
model, which it names but does not contain. Weights are safetensors in the checkpoint's precision,
of a run with an EMA the average. Test it: ``python tools/test.py DIR/config.json DIR``.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config, DictAction

from handvit.datasets.training_range import format_range
from handvit.engine.checkpoints import load_weights, read_checkpoint
from handvit.engine.inference_export import CARD, CONFIG, WEIGHTS, read_export, write_export
from handvit.engine.launch import load_config, prepare_environment
from handvit.engine.portable_config import portable_config
from handvit.registry import MODELS


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the folder, and build the model from it once."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="recipe that the checkpoint was trained with")
    parser.add_argument("checkpoint", help="iter_N.pth or best_*.pth")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to write")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args(arguments)
    prepare_environment(local_rank=0)
    try:
        config = portable_config(load_config(args.config, args.cfg_options))
        checkpoint = read_checkpoint(args.checkpoint)
        write_export(args.out, config, checkpoint)
        check_export(args.out)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")
    meta = checkpoint["meta"]
    print(f"hand model  {meta['hand_model']}")
    for trained in filter(None, meta["training_range"]):
        print("\n".join(format_range(trained)))
    for name in (WEIGHTS, CONFIG, CARD):
        print(f"{args.out / name}: {(args.out / name).stat().st_size / 2**20:.1f} MiB")


def check_export(folder: Path) -> None:
    """Build the model from the folder alone and give it the weights.

    Raises:
        ValueError: they do not fit; there is no card then, so nobody takes the folder for whole.
    """
    weights = read_export(folder)["state_dict"]
    try:
        model = MODELS.build(Config.fromfile(folder / CONFIG).model)
        load_weights(model, weights, path=str(folder), allow_new_parts=False)
    except ValueError:
        (folder / CARD).unlink()
        raise


if __name__ == "__main__":
    main()
