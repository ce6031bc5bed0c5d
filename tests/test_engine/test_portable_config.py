import json

from mmengine.config import Config

from handvit.analysis.stand_in import stand_in_statistics
from handvit.engine.portable_config import portable_config
from handvit.models.backbones.hf_loading import load_hf_model

VIT = dict(model_type="dinov2", hidden_size=16, num_hidden_layers=1, num_attention_heads=2)


def test_files_of_the_recipe_are_replaced_by_what_they_say(tmp_path):
    load_hf_model(None, VIT).save_pretrained(tmp_path / "vit")
    stand_in_statistics().save(tmp_path / "statistics.json")
    model = dict(
        backbone=dict(type="HFViT", pretrained=str(tmp_path / "vit")),
        head=dict(statistics=str(tmp_path / "statistics.json"), layers=(1, 2)),
    )
    content = portable_config(Config(dict(model=model, load_from="stage1.pth")))
    assert "load_from" not in content
    assert content["model"]["backbone"] == dict(type="HFViT", config=VIT)
    assert content["model"]["head"]["statistics"] == stand_in_statistics().to_json()
    assert str(tmp_path) not in json.dumps(content)
