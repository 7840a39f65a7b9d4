"""What is said of a model, against counts by hand and torchvision's own numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from distillkit.errors import ConfigurationError
from distillkit.workbench.compare.inspection import describe_model, example_batch
from distillkit.workbench.compare.layer_pairs import suggest_pairs


def net() -> nn.Sequential:
    """Of maps, and a vector at the end."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(4, 6, 3, groups=2),
        nn.Flatten(),
        nn.Linear(6 * 2 * 2, 5),
    )


def test_counts_by_hand() -> None:
    """Convolutions with stride, padding and groups, and a linear layer; biases are no products."""
    found = describe_model(net(), example_batch((1, 8, 8)))
    by_name = {one.name: one for one in found.layers}
    first, second, last = 4 * 4 * 4 * 1 * 9, 2 * 2 * 6 * (4 // 2) * 9, 24 * 5
    assert [one.multiply_adds for one in found.layers] == [first, 0, 0, second, 0, last]
    assert found.multiply_adds == first + second + last
    assert [one.parameters for one in found.layers] == [36, 8, 0, 6 * 2 * 9 + 6, 0, 24 * 5 + 5]
    assert found.parameters == sum(one.parameters for one in found.layers)
    assert [one.output for one in found.layers] == [(4, 4, 4)] * 3 + [(6, 2, 2), (24,), (5,)]
    assert found.not_counted == {"BatchNorm2d": 1, "ReLU": 1, "Flatten": 1}
    assert by_name["5"].gives_the_answer
    assert not by_name["4"].gives_the_answer


@pytest.mark.parametrize(
    ("weights", "size"),
    [
        (models.ResNet18_Weights.IMAGENET1K_V1, 224),
        (models.MobileNet_V2_Weights.IMAGENET1K_V1, 224),
        (models.ViT_B_32_Weights.IMAGENET1K_V1, 224),
    ],
    ids=str,
)
def test_agrees_with_torchvision_s_own_numbers(weights: Any, size: int) -> None:
    """Parameters exactly, multiply-adds as it publishes them (in thousands of millions, three digits)."""
    name = str(weights).partition("_Weights")[0].lower()
    found = describe_model(models.get_model(name), example_batch((3, size, size)))
    assert found.parameters == weights.meta["num_params"]
    assert found.multiply_adds / 1e9 == pytest.approx(weights.meta["_ops"], rel=1e-3, abs=6e-4)


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_is_counted(batch_first: bool) -> None:
    """Projections and the two products, of torch's own module in evaluation mode too."""
    layer = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, batch_first=batch_first)
    tokens, width = (3, 8) if batch_first else (2, 8)
    inputs = torch.randn(2, tokens, width) if batch_first else torch.randn(2, 2, width)
    found = describe_model(nn.Sequential(layer), inputs)
    projections, feed_forward, products = 4 * 8 * 8, 2 * 8 * 16, 2 * tokens * 8
    assert found.multiply_adds == tokens * (projections + feed_forward + products)


class Odd(nn.Module):
    """A layer that runs twice, one that never runs, one that gives a tuple, one that is shared."""

    def __init__(self) -> None:
        super().__init__()
        self.twice, self.never = nn.Linear(4, 4), nn.Linear(4, 4)
        self.recurrent = nn.GRU(4, 4, batch_first=True)
        self.embed = nn.Embedding(7, 4)
        self.head = nn.Linear(4, 7, bias=False)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> dict[str, Tensor]:
        """Token ids to logits."""
        hidden, _ = self.recurrent(self.twice(self.twice(self.embed(tokens))))
        return {"logits": self.head(hidden)}


def test_what_a_model_may_do() -> None:
    """Each is told; shared parameters count once."""
    found = describe_model(Odd(), example_batch((5,), integers_below=7))
    by_name = {one.name: one for one in found.layers}
    assert (by_name["twice"].runs, by_name["twice"].multiply_adds) == (2, 2 * 5 * 16)
    assert (by_name["never"].runs, by_name["never"].output) == (0, None)
    assert by_name["recurrent"].output is None
    assert [one.name for one in found.layers if one.gives_the_answer] == ["head"]
    assert "Linear" not in found.not_counted
    assert found.parameters == 2 * 20 + 4 * 7 + sum(one.numel() for one in nn.GRU(4, 4).parameters())


def test_the_model_is_left_as_it_was() -> None:
    """Modes, statistics, hooks and torch's settings, after an error too."""
    model = net()
    model[2].eval()
    state = {name: one.clone() for name, one in model.state_dict().items()}
    for shape in ((1, 8, 8), (2, 8, 8)):
        if shape[0] == 1:
            describe_model(model, example_batch(shape))
        else:
            with pytest.raises(ConfigurationError):
                describe_model(model, example_batch(shape))
        assert [part.training for part in model] == [True, True, False, True, True, True]
        assert all(torch.equal(one, state[name]) for name, one in model.state_dict().items())
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
        assert torch.backends.mha.get_fastpath_enabled()
        assert torch.is_grad_enabled()


def test_what_cannot_be_inspected_is_one_sentence() -> None:
    """Inputs that do not fit, no sizes, a compiled model."""
    with pytest.raises(
        ConfigurationError, match=r"^net cannot answer a batch of shape \[2, 3\] \(RuntimeError: "
    ):
        describe_model(net(), example_batch((3,)), "net")
    for shape in ((), (0, 3)):
        with pytest.raises(ConfigurationError, match="one or more sizes of at least 1"):
            example_batch(shape)
    compiled = net()
    compiled.compile()
    with pytest.raises(ConfigurationError, match="is compiled"):
        describe_model(compiled, example_batch((1, 8, 8)))


def pairs(student: nn.Module, teacher: nn.Module, *shape: int) -> list[tuple[str, str]]:
    """The names that are suggested."""
    inputs = example_batch(shape)
    found = suggest_pairs(describe_model(student, inputs), describe_model(teacher, inputs))
    return [(pair.student.name, pair.teacher.name) for pair in found]


def test_stages_of_residual_nets_pair() -> None:
    """The ends of the stages, not the first layers of the next; other networks by size."""
    student, teacher = models.resnet18(num_classes=2), models.resnet50(num_classes=2)
    stages = [(name, name) for name in ("relu", "layer1", "layer2", "layer3", "layer4", "avgpool")]
    assert pairs(student, teacher, 3, 64, 64) == stages
    mobile = [teacher for _, teacher in pairs(models.mobilenet_v2(num_classes=2), teacher, 3, 64, 64)]
    assert mobile == ["relu", "layer1", "layer2", "layer3", "layer4"]


def test_near_sizes_pair_and_far_ones_do_not() -> None:
    """13 × 13 with 14 × 14, in the order of both; not with 28 × 28."""

    def one_of(stride: int, padding: int) -> nn.Sequential:
        return nn.Sequential(nn.Conv2d(1, 3, 3, stride, padding), nn.Flatten(), nn.LazyLinear(2))

    with_padding, without, whole = one_of(2, 1), one_of(2, 0), one_of(1, 1)
    for model in (with_padding, without, whole):
        model(torch.zeros(2, 1, 28, 28))
    assert pairs(without, with_padding, 1, 28, 28) == [("0", "0"), ("1", "1")]
    assert pairs(without, whole, 1, 28, 28) == [("1", "1")]


def test_the_answer_itself_is_no_layer_to_compare() -> None:
    """Nor a layer that runs twice: with these there is nothing."""
    assert pairs(nn.Linear(4, 3), nn.Sequential(nn.Linear(4, 3)), 4) == []
