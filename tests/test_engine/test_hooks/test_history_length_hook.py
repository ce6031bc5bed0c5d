from types import SimpleNamespace

from mmengine.logging import MessageHub

from handvit.engine.hooks import HistoryLengthHook


def test_histories_stop_growing():
    hub = MessageHub.get_instance("history_length_test")
    hook, runner = HistoryLengthHook(max_length=10), SimpleNamespace(message_hub=hub)
    for iteration in range(50):
        hub.update_scalar("train/loss", float(iteration))
        hook.after_train_iter(runner, iteration)
    history = hub.get_scalar("train/loss")
    assert history.data[0].tolist() == list(range(40, 50))
    assert history.mean(5) == 47.0
