"""Print a config with all of its bases and options: ``print_config.py CONFIG [--only KEY]``."""

import argparse
from collections.abc import Sequence

from mmengine.config import Config, DictAction

from handvit.engine.launch import load_config, prepare_environment


def main(arguments: Sequence[str] | None = None) -> None:
    """Print it, or one part of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", help="such as configs/stage2/dino_large_t7.py")
    parser.add_argument("--only", metavar="KEY", help="print this part, such as model.head")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, metavar="KEY=VALUE")
    args = parser.parse_args(arguments)
    prepare_environment(local_rank=0)
    try:
        cfg = load_config(args.config, args.cfg_options)
        print(Config(pick(cfg.to_dict(), args.only)).pretty_text)
    except (FileNotFoundError, ValueError) as error:
        parser.exit(2, f"error: {error}\n")


def pick(content: dict, key: str | None) -> dict:
    """Return one part of a config under its last name.

    Raises:
        ValueError: there is no such part; it names those that there are.
    """
    if key is None:
        return content
    for name in key.split("."):
        if not isinstance(content, dict) or name not in content:
            there = sorted(content) if isinstance(content, dict) else [repr(content)]
            raise ValueError(f"--only {key}: no {name!r}; there are {there}")
        content = content[name]
    return {name: content}


if __name__ == "__main__":
    main()
