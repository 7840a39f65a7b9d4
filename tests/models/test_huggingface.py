"""Models of Hugging Face's transformers, made from configurations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from distillkit import Distiller, TeacherCache, Translated, losses
from distillkit.functional import next_token_labels
from distillkit.losses import ChunkedSoftTargets, HardLabels, SoftTargets, WeightedSum

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install 'distillkit[models]'"
)

WORDS = 50
SIZE = {"vocab_size": WORDS, "max_position_embeddings": 32}


def bert() -> nn.Module:
    """A classifier of three classes with segments of sentences."""
    return transformers.BertForSequenceClassification(
        transformers.BertConfig(
            **SIZE,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            num_labels=3,
        )
    )


def distilbert() -> nn.Module:
    """A smaller one without them."""
    return transformers.DistilBertForSequenceClassification(
        transformers.DistilBertConfig(**SIZE, dim=16, n_layers=1, n_heads=2, hidden_dim=16, num_labels=3)
    )


def gpt2(width: int, layers: int) -> nn.Module:
    """A causal language model."""
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=WORDS, n_positions=32, n_embd=width, n_layer=layers, n_head=2)
    )


def sentences() -> dict[str, Tensor]:
    """Eight of 5 to 12 words, padded."""
    words = torch.randint(1, WORDS, (8, 12))
    mask = (torch.arange(12) < torch.arange(5, 13)[:, None]).long()
    return {"input_ids": words * mask, "attention_mask": mask}


def language(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """With the labels that transformers' collators make: the words themselves, −100 for padding."""
    return {**batch, "labels": batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)}


def rows(batch: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    """One mapping an example."""
    return [{name: part[row] for name, part in batch.items()} for row in range(8)]


@pytest.mark.parametrize("form", ["tensors", "loader"])
def test_sequence_classification(untouched, form: str) -> None:
    """Mapping batches reach both models by name; the mask is heeded, and the cache is the teacher live."""
    whole = {**sentences(), "labels": torch.randint(3, (8,))}
    data: Any = whole if form == "tensors" else DataLoader(rows(whole), batch_size=4)
    size = None if form == "loader" else 4
    teacher = bert()
    found = []
    for cache in ("auto", "off"):
        torch.manual_seed(1)
        student = distilbert()
        distiller = Distiller(
            teacher=teacher,
            student=student,
            loss=losses.hinton(temperature=4, hard_label_weight=0.1),
            precision="fp32",
            teacher_cache=cache,
        )
        with untouched(teacher=teacher, student=student):
            history = distiller.fit(data, evaluate_on=data, epochs=2, batch_size=size)
        found.append(history["soft"].tolist())
    assert found[0] == pytest.approx(found[1], rel=1e-5)
    padded = {**whole, "input_ids": whole["input_ids"] + (1 - whole["attention_mask"])}
    torch.testing.assert_close(distiller.logits(padded), distiller.logits(whole))


def test_inputs_that_only_the_teacher_takes(untouched) -> None:
    """The student is given fewer of them, in its own way."""
    whole = {**sentences(), "token_type_ids": torch.zeros(8, 12, dtype=torch.long)}
    teacher, net = bert(), distilbert()
    student = Translated(
        net, inputs=lambda batch: {name: batch[name] for name in ("input_ids", "attention_mask")}
    )
    before = net.classifier.weight.clone()
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=SoftTargets(temperature=2)).fit(whole, epochs=1)
    assert not torch.equal(net.classifier.weight, before)


def test_a_causal_language_model_learns_the_next_word() -> None:
    """Its loss on labels is transformers' own for the same batch, and its divergence that of counted rows."""
    batch = language(sentences())
    inputs = {name: batch[name] for name in ("input_ids", "attention_mask")}
    teacher, student = gpt2(32, 2).eval(), gpt2(16, 1).eval()
    with torch.no_grad():
        expected = student(**batch).loss
        positions = [
            (row, place) for row in range(8) for place in range(11) if batch["labels"][row, place + 1] >= 0
        ]
        said = [model(**inputs).logits.double() for model in (teacher, student)]
        of_teacher, of_student = (torch.stack([one[position] for position in positions]) for one in said)
        p, q = of_teacher.softmax(-1), of_student.softmax(-1)
        divergence = (p * (p.log() - q.log())).sum() / len(positions)
    loss = WeightedSum(terms={"soft": SoftTargets(temperature=1), "hard": HardLabels()})
    distiller = Distiller(teacher=teacher, student=student, loss=loss, precision="fp32")
    found = distiller.step({**inputs, "labels": next_token_labels(batch["labels"])})
    assert float(found["hard"]) == pytest.approx(float(expected), rel=1e-5)
    assert float(found["soft"]) == pytest.approx(float(divergence), rel=1e-4)


@pytest.mark.parametrize("form", ["tensors", "loader"])
def test_a_causal_language_model_trains(untouched, form: str) -> None:
    """From tensors, with the teacher's answers kept, and from a loader whose collator moves the labels."""
    batch = language(sentences())
    batch["labels"] = next_token_labels(batch["labels"])
    data: Any = batch if form == "tensors" else DataLoader(rows(batch), batch_size=4)
    teacher, student = gpt2(32, 2), gpt2(16, 1)
    loss = WeightedSum(terms={"soft": ChunkedSoftTargets(rows_at_once=16), "hard": HardLabels()})
    distiller = Distiller(teacher=teacher, student=student, loss=loss, teacher_cache=TeacherCache())
    with untouched(teacher=teacher, student=student):
        distiller.fit(data, epochs=2, batch_size=None if form == "loader" else 4)
    assert distiller.logits({name: batch[name] for name in ("input_ids", "attention_mask")}).shape == (
        8,
        12,
        WORDS,
    )


def test_other_families_of_language_models(untouched) -> None:
    """A Llama teaches a GPT-2 of the same words."""
    teacher = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            **SIZE,
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=1,
        )
    )
    student = gpt2(16, 1)
    batch = language(sentences())
    with untouched(teacher=teacher, student=student):
        Distiller(teacher=teacher, student=student, loss=ChunkedSoftTargets()).fit(
            {**batch, "labels": next_token_labels(batch["labels"])}, epochs=1
        )
