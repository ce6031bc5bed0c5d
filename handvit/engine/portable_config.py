"""Make a recipe independent of the files of the machine that it was trained on."""

from typing import Any

from mmengine.config import Config

from handvit.models.backbones.hf_loading import read_hf_config
from handvit.structures import HandStatistics

#: Of a training, not of a model.
_LEFT_OUT = (
    "load_from", "resume", "work_dir", "launcher", "custom_hooks", "train_dataloader", "train_cfg",
    "optim_wrapper", "param_scheduler", "val_dataloader", "val_cfg", "val_evaluator",
)  # fmt: skip


def portable_config(cfg: Config) -> dict[str, Any]:
    """Return plain values in which files are replaced by what they say.

    Pretrained folders become their architecture, since the weights are in the export, and
    statistics their numbers.
    """
    content = {key: value for key, value in cfg.to_dict().items() if key not in _LEFT_OUT}
    return {**content, "model": _inline(content["model"])}


def _inline(node: Any) -> Any:
    if isinstance(node, list | tuple):
        return [_inline(child) for child in node]
    if not isinstance(node, dict):
        return node
    inlined = {key: _inline(child) for key, child in node.items() if key != "statistics"}
    if node.get("pretrained") is not None:
        inlined["config"] = read_hf_config(inlined.pop("pretrained"))
    if node.get("statistics") is not None:
        inlined["statistics"] = HandStatistics.load(node["statistics"]).to_json()
    return inlined
