import pytest
from mmengine.config import Config

from handvit.engine.ablation import Ablation, config_digest

AXES = dict(
    neck=dict(
        key="model.neck",
        metric="mpjpe_cam",
        options=dict(plain=dict(type="A"), wide=dict(type="B", width=3)),
    ),
    size=dict(key="model.head.size", metric="mpjpe_rel", options=dict(small=1, large=2)),
)
DEFAULT = dict(neck="plain", size="small")
VARIANTS = [dict(size="large"), dict(neck="wide", size="large"), dict(neck="wide")]


@pytest.fixture
def base() -> Config:
    model = dict(type="M", neck=dict(type="A", old=1), head=dict(size=0, other=5))
    return Config(dict(model=model, randomness=dict(seed=0), helper=3, ablation=dict(axes=AXES)))


@pytest.fixture
def ablation(base) -> Ablation:
    return Ablation.parse(base.ablation.axes, DEFAULT, VARIANTS)


def test_rows_are_named_by_what_differs(ablation):
    names = list(ablation.variants)
    assert names == ["default", "large", "wide+large", "wide"]
    assert ablation.variants["wide"].choice == dict(neck="wide", size="small")
    assert ablation.variants["default"].choice == DEFAULT


def test_a_block_is_replaced_whole_and_nothing_else(ablation, base):
    cfg = ablation.config(base, ablation.variants["wide+large"])
    assert cfg.to_dict()["model"] == dict(
        type="M", neck=dict(type="B", width=3), head=dict(size=2, other=5)
    )
    assert set(cfg) == {"model", "randomness"}  # what the Runner takes


def test_the_default_is_made_of_its_options_too(ablation, base):
    assert ablation.config(base, ablation.variants["default"]).model.neck == dict(type="A")


def test_configs_share_nothing(ablation, base):
    one = ablation.config(base, ablation.variants["wide"])
    one.model.neck.width, one.model.head.other, one.randomness.seed = 9, 9, 9
    other = ablation.config(base, ablation.variants["wide"])
    assert (other.model.neck.width, other.model.head.other, other.randomness.seed) == (3, 5, 0)
    assert base.model.head.other == 5


def test_a_selection_keeps_the_default_and_the_order(ablation):
    assert list(ablation.select(["wide", "large"]).variants) == ["default", "large", "wide"]
    with pytest.raises(ValueError, match=r"\['huge'\] are unknown; choose from \['default', 'lar"):
        ablation.select(["wide", "huge"])


@pytest.mark.parametrize(
    ("default", "variants", "message"),
    [
        (DEFAULT, [dict(depth="large")], "'depth'"),
        (DEFAULT, [dict(size="huge")], "'huge'"),
        (dict(neck="plain"), [], r"chooses for \['neck'\]"),
        (dict(DEFAULT, size="huge"), [], "'huge'"),
        (DEFAULT, [dict(size="large"), dict(size="large")], "'large' occurs twice"),
        (DEFAULT, [dict(size="small")], "'default' occurs twice"),
    ],
)
def test_a_declaration_with_a_mistake_is_refused(default, variants, message):
    with pytest.raises(ValueError, match=message):
        Ablation.parse(AXES, default, variants)


def test_an_option_of_two_axes_would_make_names_ambiguous():
    axes = dict(AXES, other=dict(key="model.other", metric="mpjpe_rel", options=dict(large=1)))
    with pytest.raises(ValueError, match=r"\['large'\] occur on several axes"):
        Ablation.parse(axes, dict(DEFAULT, other="large"), [])


def test_a_key_without_a_place_is_refused(base):
    axes = dict(neck=dict(key="model.nekc", metric="mpjpe_cam", options=dict(plain=1)))
    ablation = Ablation.parse(axes, dict(neck="plain"), [])
    with pytest.raises(ValueError, match=r"ablation.axes.neck.key: the config has no model.nekc"):
        ablation.config(base, ablation.variants["default"])


def test_rows_are_judged_by_the_metrics_of_what_differs(ablation):
    assert ablation.rows_by_metric() == {
        "mpjpe_cam": ["wide+large", "wide"],
        "mpjpe_rel": ["large", "wide+large"],
    }
    assert ablation.select(["wide"]).rows_by_metric() == {"mpjpe_cam": ["wide"], "mpjpe_rel": []}


def test_a_change_that_every_variant_replaces_is_refused(ablation):
    """Of a whole block, or of a part of it."""
    right = r"change ablation\.axes\.neck\.options\.plain"
    with pytest.raises(ValueError, match=rf"--cfg-options model\.neck\.width: .*{right}\.width$"):
        ablation.refuse_replaced(["model.head.other", "model.neck.width"])
    with pytest.raises(ValueError, match=rf"{right}$"):
        ablation.refuse_replaced(["model.neck"])
    ablation.refuse_replaced(
        ["model.necklace", "model.head.other", "ablation.axes.neck.options.plain.width"]
    )


def test_the_digest_follows_config_and_data(ablation, base):
    cfg = ablation.config(base, ablation.variants["wide"])
    digest = config_digest(cfg, dict(seed=1))
    assert digest == config_digest(Config(cfg.to_dict()), dict(seed=1))
    assert digest != config_digest(cfg, dict(seed=2))
    cfg.work_dir = "elsewhere"
    assert digest == config_digest(cfg, dict(seed=1))
    cfg.model.neck.width = 4
    assert digest != config_digest(cfg, dict(seed=1))
    cfg.model.neck.width, cfg.randomness.seed = 3, 1
    assert digest != config_digest(cfg, dict(seed=1))
