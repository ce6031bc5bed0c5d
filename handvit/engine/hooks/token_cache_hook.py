"""Compare a model with the tokens that it trains from."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from handvit.datasets.token_cache import CachedTokenDataset
from handvit.registry import HOOKS


@HOOKS.register_module()
class TokenCacheHook(Hook):
    """Refuse cached tokens of other weights; does nothing in trainings from images."""

    def before_train(self, runner: Runner) -> None:
        """Compare.

        Raises:
            ValueError: the cache was made by another model, or the model would not stay as it is.
        """
        dataset = runner.train_dataloader.dataset
        if isinstance(dataset, CachedTokenDataset):
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            dataset.info.check_model(model, dataset.root)
