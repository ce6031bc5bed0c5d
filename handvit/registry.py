"""Name every slot that a config can fill.

Each registry is a child of MMEngine's root of the same kind, so both ``type='HandMetric'`` and
MMEngine's own classes build from the same config once ``default_scope = 'handvit'`` is set. The
modules listed in ``locations`` are imported at the first look-up, never at ``import handvit``.
"""

from mmengine.registry import DATA_SAMPLERS as MMENGINE_DATA_SAMPLERS
from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import LOOPS as MMENGINE_LOOPS
from mmengine.registry import METRICS as MMENGINE_METRICS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPER_CONSTRUCTORS as MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import RUNNERS as MMENGINE_RUNNERS
from mmengine.registry import Registry

SCOPE = "handvit"


def _child(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _child(MMENGINE_MODELS, "handvit.models", "handvit.hand_models", "handvit.preprocessing")
DATASETS = _child(MMENGINE_DATASETS, "handvit.datasets")
DATA_SAMPLERS = _child(MMENGINE_DATA_SAMPLERS, "handvit.datasets")
FUNCTIONS = _child(MMENGINE_FUNCTIONS, "handvit.datasets")
METRICS = _child(MMENGINE_METRICS, "handvit.evaluation")
HOOKS = _child(MMENGINE_HOOKS, "handvit.engine")
LOOPS = _child(MMENGINE_LOOPS, "handvit.engine")
RUNNERS = _child(MMENGINE_RUNNERS, "handvit.engine")
OPTIM_WRAPPERS = _child(MMENGINE_OPTIM_WRAPPERS, "handvit.engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(MMENGINE_OPTIM_WRAPPER_CONSTRUCTORS, "handvit.engine")
