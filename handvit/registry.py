"""Name every slot that a config can fill.

Each registry is a child of MMEngine's root of the same kind, so both ``type='HandMetric'`` and
MMEngine's own classes build from the same config once ``default_scope = 'handvit'`` is set. The
modules listed in ``locations`` are imported at the first look-up, never at ``import handvit``.
"""

from mmengine import registry as roots
from mmengine.registry import Registry

SCOPE = "handvit"


def _child(parent: Registry, *locations: str) -> Registry:
    return Registry(parent.name, parent=parent, scope=SCOPE, locations=list(locations))


MODELS = _child(roots.MODELS, "handvit.models", "handvit.hand_models", "handvit.preprocessing")
DATASETS = _child(roots.DATASETS, "handvit.datasets")
DATA_SAMPLERS = _child(roots.DATA_SAMPLERS, "handvit.datasets")
FUNCTIONS = _child(roots.FUNCTIONS, "handvit.datasets")
METRICS = _child(roots.METRICS, "handvit.evaluation")
HOOKS = _child(roots.HOOKS, "handvit.engine")
LOOPS = _child(roots.LOOPS, "handvit.engine")
RUNNERS = _child(roots.RUNNERS, "handvit.engine")
OPTIM_WRAPPERS = _child(roots.OPTIM_WRAPPERS, "handvit.engine")
OPTIM_WRAPPER_CONSTRUCTORS = _child(roots.OPTIM_WRAPPER_CONSTRUCTORS, "handvit.engine")

# Empty so far: there for the parts of users' projects, which register here.
EVALUATORS = _child(roots.EVALUATOR, "handvit.engine")
LOG_PROCESSORS = _child(roots.LOG_PROCESSORS, "handvit.engine")
MODEL_WRAPPERS = _child(roots.MODEL_WRAPPERS, "handvit.engine")
OPTIMIZERS = _child(roots.OPTIMIZERS, "handvit.engine")
PARAM_SCHEDULERS = _child(roots.PARAM_SCHEDULERS, "handvit.engine")
VISBACKENDS = _child(roots.VISBACKENDS, "handvit.visualization")
VISUALIZERS = _child(roots.VISUALIZERS, "handvit.visualization")
