from types import SimpleNamespace

import pytest
import transformers
from torch import nn

from handvit.engine.hooks import HandModelHook


def _runner(identity, data_model="openhand", fingertips="smplx", metric_identity=""):
    model = nn.Module()
    model.hand_model = SimpleNamespace(identity=identity, fingertips="smplx")
    meta = {"name": "demo", "hand_model": data_model, "fingertips": fingertips}
    metric = SimpleNamespace(hand_model_identity=metric_identity)
    loop = SimpleNamespace(
        dataloader=SimpleNamespace(dataset=SimpleNamespace(metainfo=meta)),
        evaluator=SimpleNamespace(metrics=[metric]),
    )
    messages = []
    return SimpleNamespace(
        model=model,
        train_loop=loop,
        val_loop=loop,
        test_loop=loop,
        logger=SimpleNamespace(info=messages.append, warning=messages.append),
        messages=messages,
        metric=metric,
    )


def test_identity_is_logged_and_stored():
    runner, checkpoint = _runner("openhand:12"), {"meta": {}}
    HandModelHook().before_run(runner)
    HandModelHook().before_save_checkpoint(runner, checkpoint)
    assert "openhand:12" in runner.messages[0]
    assert checkpoint["meta"] == {
        "hand_model": "openhand:12",
        "transformers": transformers.__version__,
    }
    HandModelHook().after_load_checkpoint(runner, checkpoint)


@pytest.mark.parametrize("stored", ["mano:12", "openhand:13", None])
def test_a_checkpoint_of_another_hand_model_is_refused(stored):
    with pytest.raises(ValueError, match=f"trained with hand model {stored}.*openhand:12"):
        HandModelHook().after_load_checkpoint(
            _runner("openhand:12"), {"meta": {"hand_model": stored}}
        )


@pytest.mark.parametrize("moment", ["before_train", "before_val", "before_test"])
def test_labels_of_another_hand_model_are_refused(moment):
    check = getattr(HandModelHook(), moment)
    check(_runner("mano:12", data_model="mano"))
    check(_runner("mano:12", data_model=None))
    with pytest.raises(ValueError, match=r"'demo' has labels of hand model 'openhand'.*'mano'"):
        check(_runner("mano:12", data_model="openhand"))


@pytest.mark.parametrize("moment", ["before_train", "before_val", "before_test"])
def test_a_metric_of_another_hand_model_is_refused(moment):
    check = getattr(HandModelHook(), moment)
    runner = _runner("openhand:12")
    check(runner)
    assert runner.metric.hand_model_identity == "openhand:12"
    with pytest.raises(ValueError, match=r"its hand model is openhand:13, the model's is"):
        check(_runner("openhand:12", metric_identity="openhand:13"))


def test_other_finger_tips_are_a_warning():
    runner = _runner("openhand:12", fingertips="manopth")
    HandModelHook().before_test(runner)
    assert "'manopth'" in runner.messages[0]
    silent = _runner("openhand:12", fingertips=None)
    HandModelHook().before_test(silent)
    assert not silent.messages
