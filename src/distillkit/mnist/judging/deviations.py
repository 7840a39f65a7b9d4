"""Deviations of each protocol from the publication that a claim comes from."""

from __future__ import annotations

from collections.abc import Mapping

from distillkit.mnist.experiments.experiment import MOST_EPOCHS
from distillkit.mnist.judging.claims import Claim
from distillkit.mnist.judging.published import HINTON_PAPER
from distillkit.mnist.protocols.protocol import LONG_PROTOCOLS, REPORT_PROTOCOLS

_SHORT = (
    "{epochs} epochs instead of 3,000.",
    "Learning rate 0.01 times 0.95 an epoch, momentum 0.9 and gradients clipped to a norm of 1.0, instead of "
    "a learning rate that starts at 1.0 and a momentum that rises to 0.99.",
)
_TEACHER = (
    "Weight decay of 1e-4 on the teacher in place of a limit on the length of its incoming weight vectors.",
)
_STUDENT = (
    "The student's loss is cross-entropy plus T² times the divergence, a plain sum; the paper gives the hard "
    "labels a considerably lower weight.",
)
_CODE_NET = (
    "Three hidden layers instead of two, input dropout after the first of them, and a ReLU on the logits, "
    "which cannot be negative and can die.",
)
_STUDENTS_OF_2015 = (
    "The paper does not say how its students were trained: here as the teacher, without its regularisation "
    "and with a tenth of its learning rate.",
)
_HARD_WEIGHT = ("The weight of the hard labels is ours; the paper gives none for MNIST.",)
_MANY_SEEDS = "Several seeds, all shown; the report trains one run with seed 1337."

_PAPER: Mapping[str, tuple[str, ...]] = {
    "report-2025": _SHORT,
    "report-2025-code": (*_SHORT, *_CODE_NET),
    "hinton-2015": (
        "The schedule and the weight constraint are those of a public re-implementation of the 2012 paper.",
        "PyTorch's default initial values.",
    ),
    "modern": ("The paper's architectures with a short recipe of our own in place of 3,000 epochs.",),
}
_REPORT: Mapping[str, tuple[str, ...]] = {
    "report-2025": (
        "Trained as the report's text says (two hidden layers, linear logits); the published number comes "
        "from code with three hidden layers and a ReLU on the logits.",
        "Batch 100, clipping at 1.0 and the input scaling are from the report's code, since its text does "
        "not give them.",
        _MANY_SEEDS,
    ),
    "report-2025-code": (_MANY_SEEDS,),
    "hinton-2015": ("3,000 epochs with the paper's settings instead of the report's 25.",),
    "modern": ("A recipe of our own instead of the report's settings.",),
}
_OMITTED = (
    "Batches of 100 are drawn from the cases that are left; the report's code draws batches of 100 from all "
    "cases and then drops the digit, so its batches hold about 90.",
)
_CORRECTIONS = {
    "test-tuned": "The shift is chosen anew for our student on the test set, as the paper does.",
    "held-out": "The shift is chosen on 5,000 held-out training cases with a student trained on the other "
    "55,000; the paper chooses it on the test set.",
    "label-free": "The shift is the one that makes the mean predicted mass meet the class prior, without "
    "labels; the paper chooses it on the test set.",
}


_SIXTY = f"Students of 800 units are trained for {MOST_EPOCHS} epochs at most in this experiment."
_EXPERIMENTS: Mapping[str, tuple[str, ...]] = {
    "t-squared": (_SIXTY,),
    "hard-weight": (_SIXTY,),
    "logit-matching": (_SIXTY,),
    "logit-matching-students": (_SIXTY,),
    "little-data": (
        _SIXTY,
        "Digits in place of speech, whose data are not public: shares of eleven twelfths of MNIST's training "
        "cases, and the same number of updates for all students.",
    ),
    "specialists": (
        "Ten digits and nets of 30 units in place of JFT's 15,000 classes, whose data are not public.",
        "Clusters by K-means on how far classes are predicted together, in place of an on-line K-means on "
        "their covariance.",
    ),
}


def deviations(
    protocol: str, claim: Claim, cells: tuple[str, ...], *, quick: bool, epochs: str = "25"
) -> list[str]:
    """Sentences on what the runs behind a row do otherwise than the publication.

    Args:
        protocol: name of the protocol that the runs followed.
        claim: the claim of the row.
        cells: the cells that it reads.
        quick: whether this was a quick run.
        epochs: how many the runs had, in words.

    Returns:
        The sentences in a fixed order; empty when nothing deviates.

    Example:
        >>> from distillkit.mnist.judging.claims import claims
        >>> deviations("report-2025-code", claims()[0], ("teacher",), quick=False)[0]
        '25 epochs instead of 3,000.'
    """
    paper = claim.source == HINTON_PAPER
    sentences = ["A quick run: few epochs, one seed, few cells."] if quick else []
    sentences += [one.format(epochs=epochs) for one in (_PAPER if paper else _REPORT).get(protocol, ())]
    if not paper and protocol in REPORT_PROTOCOLS:
        sentences += _OMITTED if any("-omit3" in cell for cell in cells) else ()
    if paper and protocol in REPORT_PROTOCOLS:
        sentences += _TEACHER if "teacher" in cells else ()
        sentences += _STUDENT if any("-T" in cell for cell in cells) else ()
    if paper and protocol in LONG_PROTOCOLS:
        students = protocol == "hinton-2015" and any(
            cell.startswith("D") or cell.partition("/")[0] in _EXPERIMENTS for cell in cells
        )
        sentences += _STUDENTS_OF_2015 if students else ()
        sentences += _HARD_WEIGHT if any("-T" in cell for cell in cells) else ()
        experiments = dict.fromkeys(cell.partition("/")[0] for cell in cells)
        sentences += [why for one in experiments for why in _EXPERIMENTS.get(one, ())]
    sentences += [
        why for kind, why in _CORRECTIONS.items() if any(cell.endswith(f"-bias-{kind}") for cell in cells)
    ]
    return sentences
