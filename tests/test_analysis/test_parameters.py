from torch import nn

from handvit.analysis import ParameterCount, count_parameters, sum_counts


def test_counts_by_part():
    model = nn.ModuleDict({"a": nn.Linear(3, 4), "b": nn.Linear(4, 5, bias=False), "c": nn.GELU()})
    model["a"].bias.requires_grad_(False)
    counts = count_parameters(model)
    assert counts == {"a": ParameterCount(16, 12), "b": ParameterCount(20, 20)}
    assert sum_counts(counts.values()) == ParameterCount(36, 32)
