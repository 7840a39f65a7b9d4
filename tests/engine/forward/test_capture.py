"""What layers give is taken as they gave it, and nothing is left on a module."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from distillkit.engine.forward.capture import Capture, outputs_of
from distillkit.errors import ConfigurationError

X = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))


class Twice(nn.Module):
    """Runs one layer twice, another never, and one that gives a pair."""

    def __init__(self):
        super().__init__()
        self.again, self.never, self.pair = nn.Linear(6, 6), nn.Linear(6, 6), Pair()

    def forward(self, x):
        """The logits."""
        return self.pair(self.again(self.again(x)))[0]


class Pair(nn.Module):
    """Gives two tensors."""

    def forward(self, x):
        """Both."""
        return x, x


def hooks_of(model):
    """Every hook on every part."""
    return [
        hook
        for part in model.modules()
        for name, value in vars(part).items()
        if name.endswith("_hooks") or "_hooks_with" in name
        for hook in (value or ())
    ]


def test_features_are_what_the_layers_gave(net):
    """By name, in the model's order, with the graph that leads to them."""
    model = net(1)
    capture = Capture(model, ["3", "0"], "The student")
    said = outputs_of(model, X, "The student", capture)
    assert list(said.features) == ["0", "3"]
    assert torch.equal(said.features["0"], model[0](X))
    assert torch.equal(said.features["3"], said.logits)
    said.features["0"].sum().backward()
    assert model[0].weight.grad is not None
    assert model[3].weight.grad is None


def test_a_pass_without_layers_has_no_features(net):
    """An empty mapping, and the plain output."""
    model = net(1)
    said = outputs_of(model, X, "The student", None)
    assert said.features == {}
    assert torch.equal(said.logits, model(X))


@pytest.mark.parametrize("fails", [False, True])
def test_nothing_is_left_on_the_module(net, fails):
    """No hook, no attribute and no other state, also after an error in the pass."""
    model = net(1)
    names = {name: set(vars(part)) for name, part in model.named_modules()}
    before = copy.deepcopy(model.state_dict())
    capture = Capture(model, ["*"], "The student")
    if fails:
        with pytest.raises(RuntimeError):
            outputs_of(model, X[:, :2], "The student", capture)
    else:
        outputs_of(model, X, "The student", capture)
    assert hooks_of(model) == []
    assert names == {name: set(vars(part)) for name, part in model.named_modules()}
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert list(model.state_dict()) == list(before)


def test_a_users_own_hooks_stay(net):
    """They run, and are there afterwards."""
    model, seen = net(1), []
    model[0].register_forward_hook(lambda *_: seen.append(1))
    outputs_of(model, X, "The student", Capture(model, ["0"], "The student"))
    assert seen == [1]
    assert len(hooks_of(model)) == 1


def test_what_is_written_over_is_taken_as_it_was():
    """An in-place ReLU after a layer does not change what the layer gave, in any pass, nor its gradient."""
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(inplace=True), nn.Linear(4, 3))
    capture = Capture(model, ["0", "1"], "The student")
    for _ in range(3):
        model.zero_grad()
        features = outputs_of(model, X, "The student", capture).features
        expected = model[0](X)
        assert (expected < 0).any()
        assert torch.equal(features["0"], expected)
        assert torch.equal(features["1"], expected.relu())
        features["0"].sum().backward()
        torch.testing.assert_close(model[0].weight.grad, X.sum(0).expand(4, 6))


def test_what_is_written_over_in_one_mode_alone_is_taken_as_it_was():
    """In-place dropout writes in training and not in evaluation, whichever comes first."""
    model = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.9, inplace=True), nn.Linear(4, 3))
    capture = Capture(model, ["0"], "The student")
    for training in (False, True, False, True):
        features = outputs_of(model.train(training), X, "The student", capture).features
        assert torch.equal(features["0"], model[0](X))


def test_what_is_written_over_only_later_is_an_error():
    """A layer that was safe in the first pass and is not in a later one."""
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    capture = Capture(model, ["0"], "The student")
    outputs_of(model, X, "The student", capture)
    model[1].inplace = True
    with pytest.raises(ConfigurationError, match="output of the student's layer '0' was overwritten"):
        outputs_of(model, X, "The student", capture)


def test_only_what_is_written_over_is_copied_after_the_first_pass(net):
    """Afterwards the feature is the very tensor that went on."""
    model = net(1)
    capture, went_on = Capture(model, ["0"], "The student"), []
    model[2].register_forward_pre_hook(lambda _, inputs: None)
    model[1].register_forward_pre_hook(lambda _, inputs: went_on.append(inputs[0]))
    first = outputs_of(model, X, "The student", capture).features["0"]
    second = outputs_of(model, X, "The student", capture).features["0"]
    assert first is not went_on[0]
    assert second is went_on[1]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("again", "The teacher's layer 'again' runs more than once"),
        ("never", "The teacher's layer 'never' did not run"),
        ("pair", "The teacher's layer 'pair' returns tuple, and a feature is a tensor"),
        ("agian", "The teacher has no layer 'agian': did you mean 'again'"),
        ("block*", r"The teacher has no layer 'block\*'"),
        ("", "The teacher has no layer ''"),
    ],
)
def test_what_cannot_be_taken_is_explained(name, sentence):
    """Nothing is left behind either."""
    model = Twice()
    if name in {"pair", "never"}:
        model.again = nn.Sequential(model.again) if name == "never" else nn.Identity()
        model.forward = lambda x: model.pair(x)[0]
    with pytest.raises(ConfigurationError, match=sentence):
        outputs_of(model, X, "The teacher", Capture(model, [name], "The teacher"))
    assert hooks_of(model) == []


@pytest.mark.parametrize("how", ["of the module", "in place"])
def test_a_compiled_module_is_refused(net, how):
    """Its compiled code would not know the hooks."""
    model = net(1)
    if how == "in place":
        model[0].compile(backend="eager")
    else:
        model = torch.compile(model, backend="eager")
    with pytest.raises(ConfigurationError, match="The student is compiled"):
        Capture(model, ["*"], "The student")


def test_a_layer_with_two_names_is_taken_by_both():
    """One module in two places of the tree that runs once."""
    model = nn.Sequential(nn.Linear(6, 4))
    model.alias = model[0]
    model.forward = lambda x: model[0](x)
    features = outputs_of(model, X, "The student", Capture(model, ["0", "alias"], "The student")).features
    assert torch.equal(features["0"], features["alias"])
