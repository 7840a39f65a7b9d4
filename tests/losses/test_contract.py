"""What every loss promises, whoever wrote it: held by all that are exported and by installed plug-ins."""

from __future__ import annotations

import inspect
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from distillkit import losses
from distillkit.errors import ConfigurationError
from distillkit.losses import (
    AT,
    CC,
    CTKD,
    DIST,
    DKD,
    FSP,
    ICKD,
    MLKD,
    NKD,
    NST,
    OFA,
    OFD,
    PKT,
    RKD,
    SP,
    VID,
    WSLD,
    ChunkedSoftTargets,
    CorrectedTeacher,
    FitNet,
    GeneralizedJSD,
    HardLabels,
    LogitMatching,
    Loss,
    Mutual,
    ReverseKL,
    ReviewKD,
    SoftTargets,
    Standardized,
    TeacherFree,
    TopKSoftTargets,
    WeightedSum,
)
from distillkit.schedules import Cosine, Linear, WarmUp
from distillkit.typing import Outputs


def hinton_with_schedules() -> WeightedSum:
    """Hinton's sum whose numbers change as the training goes."""
    return WeightedSum(
        terms={"soft": SoftTargets(temperature=Linear(start=10, end=2)), "hard": HardLabels()},
        weights={"soft": WarmUp(end=0.9), "hard": Cosine(start=1, end=0.1)},
    )


EXAMPLES: dict[str, list[Loss]] = {
    "chunked_soft_targets": [ChunkedSoftTargets(), ChunkedSoftTargets(temperature=4, rows_at_once=2)],
    "corrected_teacher": [CorrectedTeacher(), CorrectedTeacher(loss=DKD(temperature=2))],
    "ctkd": [CTKD(), CTKD(reversal=0.5, lowest_temperature=2, temperature_range=4)],
    "dist": [DIST(), DIST(temperature=4, inter_class_weight=1, intra_class_weight=0.5)],
    "dkd": [DKD(), DKD(temperature=1, target_weight=2, non_target_weight=0.5)],
    "generalized_jsd": [GeneralizedJSD(), GeneralizedJSD(temperature=4, teacher_share=0.1)],
    "hard_labels": [HardLabels(), HardLabels(label_smoothing=0.1)],
    "logit_matching": [LogitMatching()],
    "mlkd": [MLKD(), MLKD(temperatures=(1, 4))],
    "nkd": [NKD(), NKD(temperature=3, non_target_weight=3.5)],
    "reverse_kl": [ReverseKL(), ReverseKL(temperature=4)],
    "soft_targets": [SoftTargets(temperature=1), SoftTargets(temperature=20)],
    "standardized": [Standardized(), Standardized(loss=losses.hinton(temperature=4, hard_label_weight=0.1))],
    "teacher_free": [TeacherFree(), TeacherFree(temperature=1, correct_probability=0.9)],
    "top_k_soft_targets": [TopKSoftTargets(k=2), TopKSoftTargets(k=50, temperature=4)],
    "weighted_sum": [
        losses.hinton(temperature=4, hard_label_weight=0.1),
        WeightedSum(terms={"a": SoftTargets(temperature=2), "b": LogitMatching(), "c": HardLabels()}),
        WeightedSum(terms={"dist": DIST(), "hard": HardLabels()}),
        WeightedSum(terms={"hard": HardLabels(), "ctkd": CTKD()}, weights={"hard": 0.1, "ctkd": 0.9}),
        hinton_with_schedules(),
        WeightedSum(terms={"wsld": WSLD(), "hard": HardLabels()}, weights={"wsld": 2.25, "hard": 1}),
    ],
    "wsld": [WSLD(), WSLD(temperature=1)],
}
PAIRS = {"a": "x", "b": "y"}
ON_FEATURES: dict[str, list[Loss]] = {
    "at": [AT(layers={"a": "x"}), AT(layers=PAIRS)],
    "cc": [CC(layers={"a": "x"}), CC(layers=PAIRS, gamma=1, order=3)],
    "fitnet": [FitNet(layers={"a": "x"}), FitNet(layers=PAIRS)],
    "fsp": [FSP(layers=PAIRS), FSP(layers={"?": "?"})],
    "ickd": [ICKD(layers={"a": "x"}), ICKD(layers=PAIRS)],
    "nst": [NST(layers={"a": "x"}), NST(layers=PAIRS)],
    "ofa": [OFA(layers=["a"]), OFA(layers=["?"], gamma=1.5)],
    "ofd": [OFD(layers={"a": "x"}), OFD(layers=PAIRS)],
    "pkt": [PKT(layers={"a": "x"}), PKT(layers=PAIRS)],
    "review_kd": [ReviewKD(layers={"a": "x"}), ReviewKD(layers=PAIRS)],
    "rkd": [RKD(layers={"a": "x"}), RKD(layers=PAIRS, distance_weight=1, angle_weight=0)],
    "sp": [SP(layers={"a": "x"}), SP(layers=PAIRS)],
    "vid": [VID(layers={"a": "x"}), VID(layers=PAIRS, initial_variance=1)],
}
AMONG_STUDENTS: dict[str, list[Loss]] = {"mutual": [Mutual(), Mutual(loss=SoftTargets(temperature=4))]}
FEATURES = [pytest.param(loss, id=repr(loss)) for examples in ON_FEATURES.values() for loss in examples]
ALL = [pytest.param(loss, id=repr(loss)) for examples in EXAMPLES.values() for loss in examples]
OF_MEMBERS = [pytest.param(loss, id=repr(loss)) for one in AMONG_STUDENTS.values() for loss in one]


def batch(size: int = 6, classes: int = 5, sd: float = 3.0) -> tuple[Tensor, Tensor, Tensor]:
    """Logits of student and teacher, float64, and labels."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, size, classes, generator=generator, dtype=torch.float64) * sd
    return student, teacher, torch.randint(classes, (size,), generator=generator)


def value(loss: Loss, student: Tensor, teacher: Tensor, labels: Tensor) -> Tensor:
    """The loss of a batch, at the end of a training."""
    of_student, of_teacher = outputs(loss, student, teacher)
    return loss.at(1)(student=of_student, teacher=of_teacher, labels=labels)


def outputs(loss: Loss, student: Tensor, teacher: Tensor) -> tuple[Outputs, Outputs]:
    """Both sides with these logits, and what the loss learns as it is at first."""
    of_student, of_teacher = Outputs(student), Outputs(teacher)
    learnt = loss.adapters(student=of_student, teacher=of_teacher)
    return Outputs(student, adapters=learnt), of_teacher


def test_every_loss_has_an_example_here() -> None:
    """A loss that is exported or installed is held to this contract."""
    exported = {
        item.kind_name()
        for item in vars(losses).values()
        if isinstance(item, type) and issubclass(item, Loss) and not inspect.isabstract(item)
    }
    assert exported | set(Loss.plugins()) == set(EXAMPLES) | set(ON_FEATURES) | set(AMONG_STUDENTS)
    for kind, examples in [*EXAMPLES.items(), *ON_FEATURES.items(), *AMONG_STUDENTS.items()]:
        assert all(example.kind_name() == kind for example in examples)


@pytest.mark.parametrize("loss", ALL)
def test_batch_size_does_not_scale_it(loss: Loss) -> None:
    """The loss of a batch is the mean of those of its examples, and a batch given twice over has the same.

    A loss that relates examples says so, and is indeed no such mean.
    """
    student, teacher, labels = batch()
    whole = value(loss, student, teacher, labels)
    singly = [value(loss, student[[i]], teacher[[i]], labels[[i]]) for i in range(len(labels))]
    if not loss.is_mean_over_examples:
        assert not torch.isclose(torch.stack(singly).mean(), whole, rtol=1e-3)
        return
    torch.testing.assert_close(torch.stack(singly).mean(), whole)
    twice = value(loss, student.repeat(2, 1), teacher.repeat(2, 1), labels.repeat(2))
    torch.testing.assert_close(twice, whole)


@pytest.mark.parametrize("loss", ALL)
def test_tokens_are_examples(loss: Loss) -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    student, teacher, labels = batch()
    by_tokens = value(loss, student.view(2, 3, 5), teacher.view(2, 3, 5), labels.view(2, 3))
    torch.testing.assert_close(by_tokens, value(loss, student, teacher, labels))


@pytest.mark.parametrize("loss", ALL)
def test_who_minimises_it_predicts_as_the_teacher(loss: Loss) -> None:
    """From nearly equal logits, with a teacher that is right, a hundred steps lead to its predictions."""
    student, teacher, _ = batch(size=12)
    labels = teacher.argmax(dim=-1)
    student = (student * 0.01).requires_grad_()
    optimizer = torch.optim.Adam([student], lr=0.1)
    for _ in range(100):
        optimizer.zero_grad()
        value(loss, student, teacher, labels).backward()
        optimizer.step()
    assert torch.equal(student.argmax(dim=-1), labels)


@pytest.mark.parametrize("loss", ALL)
def test_order_of_the_classes_does_not_matter(loss: Loss) -> None:
    """Renaming the classes on both sides and in the labels changes nothing, and permutes the gradient."""
    student, teacher, labels = batch()
    order = torch.tensor([3, 0, 4, 1, 2])
    plain, renamed = student.clone().requires_grad_(), student[:, order].clone().requires_grad_()
    before = value(loss, plain, teacher, labels)
    after = value(loss, renamed, teacher[:, order], order.argsort()[labels])
    torch.testing.assert_close(after, before)
    (gradient,) = torch.autograd.grad(before, plain)
    (renamed_gradient,) = torch.autograd.grad(after, renamed)
    torch.testing.assert_close(renamed_gradient, gradient[:, order])


@pytest.mark.parametrize("loss", ALL)
def test_gradient_is_right(loss: Loss) -> None:
    """Torch's finite differences confirm the gradient with respect to the student's logits.

    A loss of which a part is held fixed says so, and they indeed do not.
    """
    student, teacher, labels = batch(size=3, classes=4)
    confirmed = torch.autograd.gradcheck(
        lambda z: value(loss, z, teacher, labels),
        (student.requires_grad_(),),
        raise_exception=loss.gradient_is_of_the_value,
    )
    assert confirmed == loss.gradient_is_of_the_value


@pytest.mark.parametrize("loss", ALL)
def test_teacher_is_left_as_it_is(loss: Loss) -> None:
    """A teacher given without gradients gets none, and no input is written to."""
    student, teacher, labels = batch()
    student.requires_grad_()
    before = [tensor.detach().clone() for tensor in (student, teacher, labels)]
    value(loss, student, teacher, labels).backward()
    assert teacher.grad is None
    assert not teacher.requires_grad
    assert all(torch.equal(a, b) for a, b in zip(before, (student.detach(), teacher, labels), strict=True))


@pytest.mark.parametrize("loss", ALL)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_finite_at_extreme_logits(loss: Loss, dtype: torch.dtype) -> None:
    """Logits of ±10,000 on the wrong classes give a finite float32-or-better scalar and finite gradients."""
    student = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4]], dtype=dtype).requires_grad_()
    found = value(loss, student, -student.detach(), torch.tensor([1, 0]))
    found.backward()
    assert found.shape == ()
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.isfinite()
    assert student.grad is not None
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("loss", ALL)
def test_bfloat16_is_close(loss: Loss) -> None:
    """Logits rounded to bfloat16 cost no more than their own rounding: 4 % of the loss at most."""
    student, teacher, labels = batch(size=64)
    exact = value(loss, student, teacher, labels).item()
    rounded = value(loss, student.bfloat16(), teacher.bfloat16(), labels).item()
    assert rounded == pytest.approx(exact, rel=0.04)


@pytest.mark.parametrize("loss", ALL)
def test_autocast_changes_nothing(loss: Loss) -> None:
    """Under bfloat16 autocast, where the engine computes it, the loss and its gradient are the same bits."""
    student, teacher, labels = (each.float() if each.is_floating_point() else each for each in batch())
    plain, cast = student.clone().requires_grad_(), student.clone().requires_grad_()
    expected = value(loss, plain, teacher, labels)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = value(loss, cast, teacher, labels)
    assert torch.equal(found, expected)
    assert torch.equal(torch.autograd.grad(found, cast)[0], torch.autograd.grad(expected, plain)[0])


@pytest.mark.parametrize("loss", ALL)
def test_contributions_add_up(loss: Loss) -> None:
    """The named contributions are scalars whose sum is the loss."""
    student, teacher, labels = batch()
    of_student, of_teacher = outputs(loss, student, teacher)
    parts = loss.at(1).contributions(student=of_student, teacher=of_teacher, labels=labels)
    assert all(part.shape == () for part in parts.values())
    torch.testing.assert_close(torch.stack([*parts.values()]).sum(), value(loss, student, teacher, labels))


@pytest.mark.parametrize("loss", [*ALL, *FEATURES, *OF_MEMBERS])
def test_yaml_and_json_keep_it(loss: Loss) -> None:
    """It comes back equal, of its own class, with an equal hash."""
    for again in (Loss.from_yaml(loss.to_yaml()), Loss.from_json(loss.to_json())):
        assert again == loss
        assert type(again) is type(loss)
        assert hash(again) == hash(loss)


@pytest.mark.parametrize("loss", ALL)
def test_a_batch_of_one_and_one_class(loss: Loss) -> None:
    """One example with one class is certain: every loss is 0."""
    student, teacher = torch.tensor([[2.0]]), torch.tensor([[-1.0]])
    assert value(loss, student, teacher, torch.tensor([0])).item() == 0


def test_temperatures_can_be_mapped_over() -> None:
    """A temperature replaced by a tensor gives, under `vmap`, what each temperature gives one by one."""
    student, teacher, labels = batch()
    temperatures = torch.tensor([1.0, 2.0, 4.0, 20.0, 50.0], dtype=torch.float64)
    students = torch.stack([student * (1 + i) for i in range(5)])

    def one(student: Tensor, temperature: Tensor) -> Tensor:
        loss = SoftTargets(temperature=1).model_copy(update={"temperature": temperature})
        return value(loss, student, teacher, labels)

    singly = [
        value(SoftTargets(temperature=t), each, teacher, labels)
        for t, each in zip(temperatures.tolist(), students, strict=True)
    ]
    torch.testing.assert_close(torch.func.vmap(one)(students, temperatures), torch.stack(singly))
    gradients = torch.func.vmap(torch.func.grad(one))(students, temperatures)
    for number, temperature in enumerate(temperatures.tolist()):
        leaf = students[number].clone().requires_grad_()
        value(SoftTargets(temperature=temperature), leaf, teacher, labels).backward()
        assert leaf.grad is not None
        torch.testing.assert_close(gradients[number], leaf.grad)


Maps = dict[str, Tensor]


def maps(
    size: int = 6, channels: tuple[int, int] = (5, 5), sides: tuple[int, int] = (4, 4)
) -> tuple[Maps, Maps]:
    """Features of student and teacher, float64: maps of two layers, the second of half the size."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        {
            name: torch.randn(size, channel + place, side // (place + 1), side // (place + 1),
                              generator=generator, dtype=torch.float64)
            for place, name in enumerate(names)
        }
        for names, channel, side in zip(("ab", "xy"), channels, sides, strict=True)
    )  # fmt: skip
    return student, teacher


def sides_of(student: Maps, teacher: Maps, adapters: nn.Module | None) -> tuple[Outputs, Outputs, Tensor]:
    """Both sides with these features, and labels; the teacher's answer follows from its features."""
    logits = 5 * teacher["x"].flatten(1)[:, :3]
    labels = logits.argmax(dim=-1)
    return Outputs(torch.zeros_like(logits), student, adapters), Outputs(logits, teacher), labels


def made(loss: Loss, student: Maps, teacher: Maps) -> nn.Module | None:
    """What a loss learns between these, in float64 and always with the same first values."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        of_student, of_teacher, _ = sides_of(student, teacher, None)
        adapters = loss.adapters(student=of_student, teacher=of_teacher)
    return None if adapters is None else adapters.double()


def of_features(loss: Loss, student: Maps, teacher: Maps, adapters: nn.Module | None) -> Tensor:
    """The loss of a batch."""
    of_student, of_teacher, labels = sides_of(student, teacher, adapters)
    return loss(student=of_student, teacher=of_teacher, labels=labels)


def leaves(student: Maps) -> Maps:
    """The same, to be given gradients."""
    return {name: one.clone().requires_grad_() for name, one in student.items()}


@pytest.mark.parametrize("loss", FEATURES)
def test_gradient_to_features_and_adapters_is_right(loss: Loss) -> None:
    """Torch's finite differences confirm it, with respect to the student's features and what is learnt."""
    student, teacher = maps(size=4, channels=(2, 2), sides=(2, 2))
    adapters = made(loss, student, teacher)
    learnt = [] if adapters is None else list(adapters.parameters())

    def function(*tensors: Tensor) -> Tensor:
        return of_features(loss, dict(zip("ab", tensors, strict=False)), teacher, adapters)

    assert torch.autograd.gradcheck(function, (*leaves(student).values(), *learnt))


@pytest.mark.parametrize("loss", FEATURES)
def test_batch_size_does_not_scale_it_on_features(loss: Loss) -> None:
    """The mean over the examples, or a loss that says that it is none."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    whole = of_features(loss, student, teacher, adapters)
    singly = [
        of_features(
            loss,
            {name: one[[i]] for name, one in student.items()},
            {name: one[[i]] for name, one in teacher.items()},
            adapters,
        )
        for i in range(6)
    ]
    same = torch.isclose(torch.stack(singly).mean(), whole, rtol=1e-6)
    assert bool(same) == loss.is_mean_over_examples


@pytest.mark.parametrize("loss", FEATURES)
def test_order_of_the_examples_does_not_matter(loss: Loss) -> None:
    """The same batch in another order has the same loss."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    order = torch.tensor([3, 1, 5, 0, 4, 2])
    torch.testing.assert_close(
        of_features(
            loss,
            {name: one[order] for name, one in student.items()},
            {name: one[order] for name, one in teacher.items()},
            adapters,
        ),
        of_features(loss, student, teacher, adapters),
    )


@pytest.mark.parametrize("loss", FEATURES)
def test_equal_layers_have_no_distance(loss: Loss) -> None:
    """Where nothing is learnt between them, layers that agree have loss 0, and others more."""
    student, teacher = maps()
    if made(loss, student, teacher) is not None:
        return
    twin = {"x": student["a"], "y": student["b"]}
    assert of_features(loss, student, twin, None).item() == pytest.approx(0, abs=1e-12)
    assert of_features(loss, student, teacher, None).item() > 1e-4


@pytest.mark.parametrize("loss", FEATURES)
def test_it_can_be_learnt(loss: Loss) -> None:
    """Three hundred steps on the student's features, and on what is learnt, bring it down."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    moving = leaves(student)
    learnt = [] if adapters is None else list(adapters.parameters())
    optimizer = torch.optim.Adam([*moving.values(), *learnt], lr=0.03)
    before = of_features(loss, moving, teacher, adapters).item()
    for _ in range(300):
        optimizer.zero_grad()
        of_features(loss, moving, teacher, adapters).backward()
        optimizer.step()
    assert of_features(loss, moving, teacher, adapters).item() < before - 0.7 * abs(before)


@pytest.mark.parametrize("loss", FEATURES)
def test_features_are_left_as_they_are(loss: Loss) -> None:
    """The teacher's get no gradient, the student's do, and nothing is written to."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    moving, before = leaves(student), {name: one.clone() for name, one in teacher.items()}
    of_features(loss, moving, teacher, adapters).backward()
    assert all(not one.requires_grad and torch.equal(one, before[name]) for name, one in teacher.items())
    assert all(torch.equal(one.detach(), student[name]) for name, one in moving.items())
    assert moving["a"].grad is not None
    assert moving["a"].grad.abs().sum() > 0


@pytest.mark.parametrize("loss", FEATURES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("scale", [0.0, 1e-4, 1e4])
def test_finite_at_extreme_features(loss: Loss, dtype: torch.dtype, scale: float) -> None:
    """Dead layers and ±10,000 give a finite float32-or-better scalar and finite gradients."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    learns = None if adapters is None else adapters.to(dtype if dtype.itemsize > 2 else torch.float32)
    moving = leaves({name: (scale * one.clamp(-1, 1)).to(dtype) for name, one in student.items()})
    taught = {name: (-scale * one.clamp(-1, 1)).to(dtype) for name, one in teacher.items()}
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=learns is not None and dtype.itemsize == 2):
        found = of_features(loss, moving, taught, learns)
    found.backward()
    assert found.shape == ()
    assert found.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert found.isfinite()
    if loss.kind == "fsp" and dtype == torch.float16:
        return  # of the fourth order in the features, beyond the largest number of float16
    assert all(one.grad is None or one.grad.isfinite().all() for one in moving.values())


@pytest.mark.parametrize("loss", FEATURES)
def test_a_batch_of_equal_examples_is_finite(loss: Loss) -> None:
    """No distance between examples, no direction from one to another: value and gradient stay finite."""
    student, teacher = ({name: one[:1].repeat(4, 1, 1, 1) for name, one in side.items()} for side in maps())
    moving = leaves(student)
    found = of_features(loss, moving, teacher, made(loss, student, teacher))
    found.backward()
    assert found.isfinite()
    assert all(one.grad is None or one.grad.isfinite().all() for one in moving.values())


@pytest.mark.parametrize("loss", FEATURES)
def test_features_in_bfloat16_are_close(loss: Loss) -> None:
    """Rounding the features costs no more than their own rounding: 4 % of the loss at most."""
    student, teacher = maps(size=32)
    adapters = made(loss, student, teacher)
    if adapters is not None:
        return
    exact = of_features(loss, student, teacher, None).item()
    rounded = [{name: one.bfloat16() for name, one in side.items()} for side in (student, teacher)]
    assert of_features(loss, *rounded, None).item() == pytest.approx(exact, rel=0.04)


@pytest.mark.parametrize("loss", FEATURES)
def test_autocast_changes_nothing_on_features(loss: Loss) -> None:
    """Under bfloat16 autocast, but for what is learnt, the loss and its gradient are the same bits."""
    student, teacher = ({name: one.float() for name, one in side.items()} for side in maps())
    if made(loss, student, teacher) is not None:
        return
    plain, cast = leaves(student), leaves(student)
    expected = of_features(loss, plain, teacher, None)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = of_features(loss, cast, teacher, None)
    assert torch.equal(found, expected)
    of_one, of_other = (
        torch.autograd.grad(value, side["a"]) for value, side in ((found, cast), (expected, plain))
    )
    assert torch.equal(of_one[0], of_other[0])


@pytest.mark.parametrize("loss", FEATURES)
@pytest.mark.parametrize(
    ("channels", "sides"), [((3, 5), (4, 4)), ((5, 5), (4, 8)), ((5, 5), (8, 4)), ((7, 3), (8, 4))]
)
def test_other_shapes_are_met_or_explained(
    loss: Loss, channels: tuple[int, int], sides: tuple[int, int]
) -> None:
    """Other channels and sizes give a finite loss, with or without adapters, or a sentence."""
    student, teacher = maps(channels=channels, sides=sides)
    refuses = loss.kind == "fsp" and channels[0] != channels[1]
    with pytest.raises(ConfigurationError, match="equally many channels") if refuses else nullcontext():
        assert of_features(loss, student, teacher, made(loss, student, teacher)).isfinite()


@pytest.mark.parametrize("loss", FEATURES)
@pytest.mark.parametrize("shape", [(6, 7), (6, 3, 7)])
def test_vectors_and_tokens_are_met_or_explained(loss: Loss, shape: tuple[int, ...]) -> None:
    """What needs maps says so of `[batch, numbers]` and `[batch, tokens, numbers]`; the rest takes them."""
    generator = torch.Generator().manual_seed(0)
    student, teacher = (
        {name: torch.randn(shape, generator=generator, dtype=torch.float64) for name in names}
        for names in ("ab", "xy")
    )
    refuses = loss.kind in {"at", "fsp", "ickd", "nst", "ofd", "review_kd"}
    maps_needed = r"\[batch, channels, height, width\]"
    with pytest.raises(ConfigurationError, match=maps_needed) if refuses else nullcontext():
        assert of_features(loss, student, teacher, made(loss, student, teacher)).isfinite()


@pytest.mark.parametrize("loss", FEATURES)
def test_other_examples_are_refused(loss: Loss) -> None:
    """Six examples of one side cannot be compared with five of the other."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    with pytest.raises(ConfigurationError):
        of_features(loss, student, {name: one[:5] for name, one in teacher.items()}, adapters)


@pytest.mark.parametrize("loss", FEATURES)
def test_contributions_on_features_add_up(loss: Loss) -> None:
    """As of every loss."""
    student, teacher = maps()
    adapters = made(loss, student, teacher)
    of_student, of_teacher, labels = sides_of(student, teacher, adapters)
    parts = loss.contributions(student=of_student, teacher=of_teacher, labels=labels)
    total = torch.stack([*parts.values()]).sum()
    torch.testing.assert_close(total, of_features(loss, student, teacher, adapters))
