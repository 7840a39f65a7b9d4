"""The soft-target loss against independent references, its gradient, its limits, its numbers."""

from __future__ import annotations

import math

import pytest
import scipy.stats
import torch
from torch import Tensor

from distillkit.errors import ConfigurationError
from distillkit.functional import distillation_kl, logit_matching
from references import softened

TEMPERATURES = (1, 2, 4, 10, 20, 50)


def logits(seed: int, shape: tuple[int, ...] = (8, 10), sd: float = 3.0) -> Tensor:
    """Logits of a standard deviation, float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * sd


def double_loop(student: Tensor, teacher: Tensor, temperature: float) -> float:
    """T² KL(teacher ‖ student), example by example and class by class, in Python alone."""
    total = 0.0
    for student_row, teacher_row in zip(student.tolist(), teacher.tolist(), strict=True):
        q, p = softened(student_row, temperature), softened(teacher_row, temperature)
        for p_class, q_class in zip(p, q, strict=True):
            total += p_class * (math.log(p_class) - math.log(q_class))
    return temperature**2 * total / len(student)


def gradient(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """The loss's gradient with respect to the student's logits, by autograd."""
    student = student.clone().requires_grad_()
    (found,) = torch.autograd.grad(
        distillation_kl(student=student, teacher=teacher, temperature=temperature), student
    )
    return found


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_equals_a_double_loop(temperature: float) -> None:
    """The loss is what two loops over examples and classes in pure Python give."""
    student, teacher = logits(0), logits(1)
    found = distillation_kl(student=student, teacher=teacher, temperature=temperature).item()
    assert found == pytest.approx(double_loop(student, teacher, temperature), rel=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_equals_scipy(temperature: float) -> None:
    """The loss is SciPy's relative entropy of the softened probabilities, times T², batch-averaged."""
    student, teacher = logits(2), logits(3)
    p = scipy.special.softmax(teacher.numpy() / temperature, axis=-1)
    q = scipy.special.softmax(student.numpy() / temperature, axis=-1)
    found = distillation_kl(student=student, teacher=teacher, temperature=temperature).item()
    assert found == pytest.approx(scipy.stats.entropy(p, q, axis=-1).mean() * temperature**2, rel=1e-12)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_zero_where_logits_agree_up_to_a_constant_per_row(temperature: float) -> None:
    """The loss is 0 where each row of the student's logits is the teacher's plus one number."""
    teacher = logits(4)
    student = teacher + logits(5, (8, 1), sd=10)
    found = distillation_kl(student=student, teacher=teacher, temperature=temperature).item()
    assert found == pytest.approx(0, abs=1e-14 * temperature**2)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("number", range(10))
def test_positive_where_one_logit_differs(temperature: float, number: int) -> None:
    """The loss is above 0 as soon as one logit of one row differs."""
    teacher = logits(6)
    student = teacher.clone()
    student[3, number] += 0.1
    assert distillation_kl(student=student, teacher=teacher, temperature=temperature).item() > 1e-9


def test_never_negative() -> None:
    """The loss is at least 0 for logits of any size, up to rounding."""
    for seed in range(50):
        sd = 10.0 ** (seed % 7 - 3)
        for temperature in TEMPERATURES:
            found = distillation_kl(
                student=logits(seed, sd=sd), teacher=logits(seed + 1000, sd=sd), temperature=temperature
            ).item()
            assert found >= -1e-14 * temperature**2


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_a_constant_per_row_changes_nothing(temperature: float) -> None:
    """Adding a number to each row, another on each side, changes neither the loss nor its gradient."""
    student, teacher = logits(7), logits(8)
    moved_student, moved_teacher = student + logits(9, (8, 1), sd=10), teacher + logits(10, (8, 1), sd=10)
    torch.testing.assert_close(
        distillation_kl(student=moved_student, teacher=moved_teacher, temperature=temperature),
        distillation_kl(student=student, teacher=teacher, temperature=temperature),
        rtol=1e-10, atol=1e-12 * temperature**2,
    )  # fmt: skip
    torch.testing.assert_close(
        gradient(moved_student, moved_teacher, temperature), gradient(student, teacher, temperature)
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gradient_has_its_closed_form(temperature: float) -> None:
    """The gradient with respect to the student's logits is T · (q − p) / batch."""
    student, teacher = logits(11), logits(12)
    q, p = (student / temperature).softmax(-1), (teacher / temperature).softmax(-1)
    torch.testing.assert_close(
        gradient(student, teacher, temperature), temperature * (q - p) / len(student), rtol=1e-10, atol=1e-14
    )


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gradient_by_finite_differences(temperature: float) -> None:
    """The gradient is what central differences of the double loop give."""
    student, teacher, step = logits(13, (2, 4)), logits(14, (2, 4)), 1e-4
    found = gradient(student, teacher, temperature)
    for row in range(2):
        for column in range(4):
            up, down = student.clone(), student.clone()
            up[row, column] += step
            down[row, column] -= step
            rise = double_loop(up, teacher, temperature) - double_loop(down, teacher, temperature)
            assert found[row, column].item() == pytest.approx(rise / (2 * step), rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_gradcheck(temperature: float) -> None:
    """Torch's own check of first and second derivatives passes in float64."""
    student, teacher = logits(15, (3, 4)).requires_grad_(), logits(16, (3, 4))

    def loss(student: Tensor) -> Tensor:
        return distillation_kl(student=student, teacher=teacher, temperature=temperature)

    assert torch.autograd.gradcheck(loss, (student,))
    assert torch.autograd.gradgradcheck(loss, (student,))


@pytest.mark.parametrize("temperature", [1000, 10_000])
def test_high_temperature_is_logit_matching(temperature: float) -> None:
    """For T ≥ 1000 the loss and its gradient are those of matching the centred logits, to 0.2 %."""
    student, teacher = logits(17).requires_grad_(), logits(18)
    softly = distillation_kl(student=student, teacher=teacher, temperature=temperature)
    matching = logit_matching(student=student, teacher=teacher)
    (soft_gradient,) = torch.autograd.grad(softly, student)
    (gradient,) = torch.autograd.grad(matching, student)
    assert softly.item() == pytest.approx(matching.item(), rel=2e-3)
    assert ((soft_gradient - gradient).norm() / gradient.norm()).item() < 2e-3


def test_temperature_squared_keeps_the_gradient_of_one_order() -> None:
    """From T = 1 to 50 the gradient stays within a factor 5; without T² it would fall 500-fold and more."""
    student, teacher = logits(19, (64, 10)), logits(20, (64, 10))
    norms = {t: gradient(student, teacher, t).norm().item() for t in TEMPERATURES}
    assert max(norms.values()) / min(norms.values()) < 5
    assert (norms[1] / 1**2) / (norms[50] / 50**2) > 500


def test_swapped_sides_give_another_number() -> None:
    """The divergence of the student from the teacher is not that of the teacher from the student."""
    student, teacher = logits(21), logits(22)
    forth = distillation_kl(student=student, teacher=teacher, temperature=2).item()
    back = distillation_kl(student=teacher, teacher=student, temperature=2).item()
    assert abs(forth - back) > 0.05 * forth


def test_sides_are_named() -> None:
    """The sides cannot be given by position, where they could be swapped unseen."""
    with pytest.raises(TypeError, match="positional"):
        distillation_kl(logits(0), logits(1), 2.0)  # type: ignore[misc]


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize(
    ("dtype", "relative"), [(torch.float32, 1e-5), (torch.float16, 5e-3), (torch.bfloat16, 4e-2)]
)
def test_precisions_agree_with_float64(dtype: torch.dtype, relative: float, temperature: float) -> None:
    """In float32 the loss has five digits; 16-bit logits cost what their own rounding costs."""
    student, teacher = logits(23, (64, 10)), logits(24, (64, 10))
    exact = distillation_kl(student=student, teacher=teacher, temperature=temperature).item()
    found = distillation_kl(student=student.to(dtype), teacher=teacher.to(dtype), temperature=temperature)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(exact, rel=relative)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_logits_are_computed_in_float32(dtype: torch.dtype) -> None:
    """16-bit logits give, to the last bit, what the same numbers in float32 give: nothing is lost inside."""
    student, teacher = logits(25).to(dtype), logits(26).to(dtype)
    halves = distillation_kl(student=student, teacher=teacher, temperature=20)
    assert torch.equal(
        halves, distillation_kl(student=student.float(), teacher=teacher.float(), temperature=20)
    )


def test_autocast_changes_nothing() -> None:
    """Under bfloat16 autocast the loss of float32 logits is computed in float32, to the same bits."""
    student, teacher = logits(27).float(), logits(28).float()
    plain = distillation_kl(student=student, teacher=teacher, temperature=4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = distillation_kl(student=student, teacher=teacher, temperature=4)
    assert found.dtype == torch.float32
    assert torch.equal(found, plain)


@pytest.mark.parametrize("temperature", TEMPERATURES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_extreme_logits_are_finite(dtype: torch.dtype, temperature: float) -> None:
    """Logits of ±10,000 that contradict each other give a finite loss and gradient."""
    teacher = torch.tensor([[1e4, -1e4, 0.0]], dtype=dtype)
    student = (-teacher).clone().requires_grad_()
    loss = distillation_kl(student=student, teacher=teacher, temperature=temperature)
    loss.backward()
    assert loss.isfinite()
    assert loss.item() == pytest.approx(2e4 * temperature, rel=1e-2)
    assert student.grad is not None
    assert student.grad.isfinite().all()


def test_one_class_is_zero() -> None:
    """With one class there is nothing to learn: the loss is 0 and so is its gradient."""
    student = logits(29, (4, 1)).requires_grad_()
    loss = distillation_kl(student=student, teacher=logits(30, (4, 1)), temperature=4)
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None
    assert not student.grad.any()


def test_batch_is_averaged_over() -> None:
    """The loss of a batch is the mean of the losses of its examples, each a batch of one."""
    student, teacher = logits(31), logits(32)
    singly = [distillation_kl(student=student[[i]], teacher=teacher[[i]], temperature=4) for i in range(8)]
    torch.testing.assert_close(
        distillation_kl(student=student, teacher=teacher, temperature=4), torch.stack(singly).mean()
    )


def test_tokens_are_averaged_over() -> None:
    """Logits `[batch, tokens, classes]` give what the same rows in one long batch give."""
    student, teacher = logits(33, (3, 5, 7)), logits(34, (3, 5, 7))
    torch.testing.assert_close(
        distillation_kl(student=student, teacher=teacher, temperature=4),
        distillation_kl(student=student.reshape(15, 7), teacher=teacher.reshape(15, 7), temperature=4),
    )


@pytest.mark.parametrize("shape", [(8, 1), (1, 10), (8, 9), (10,), (8, 10, 1)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    """Logits of two shapes are refused, also where torch would broadcast them."""
    with pytest.raises(ConfigurationError, match=r"one shape, got \[8, 10\] and \["):
        distillation_kl(student=logits(0), teacher=logits(1, shape), temperature=1)
