"""Keras on its torch backend: `keras.distillation.Distiller` and `fit`."""

from __future__ import annotations

import os
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from benchmarks.mnist_job import BATCH, HARD_LABEL_WEIGHT, TEMPERATURE, FromMemory, Job
from benchmarks.peers import Batches
from benchmarks.timing import Clock

PACKAGE = "keras"
NOTE = (
    "With the loss object KLDivergence() (the default string skips softmax and T²). The networks are rebuilt "
    "in Keras; its weight decay is not added to the gradient. From memory is an array given to fit."
)


def train(job: Job, seed: int, epochs: int, clock: Clock, batches: Batches) -> nn.Module:
    """`fit`, an epoch at a time."""
    os.environ["KERAS_BACKEND"] = "torch"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # type: ignore[import-not-found]
    from keras.distillation import (  # type: ignore[import-not-found]
        Distiller,
        LogitsDistillation,
    )

    student = job.student(seed)
    in_keras = _rebuilt(keras, student)
    distiller = Distiller(
        teacher=_rebuilt(keras, job.teacher),
        student=in_keras,
        distillation_losses=LogitsDistillation(temperature=TEMPERATURE, loss=keras.losses.KLDivergence()),
        student_loss_weight=HARD_LABEL_WEIGHT,
    )
    distiller.compile(
        optimizer=keras.optimizers.SGD(0.01, momentum=0.9, weight_decay=1e-4),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    from_memory = isinstance(batches, FromMemory)
    arrays = [part.cpu().numpy() for part in job.train] if from_memory else [batches]
    for _ in range(epochs):
        with clock.epoch():
            distiller.fit(*arrays, batch_size=BATCH if from_memory else None, epochs=1, verbose=0)
    for layer, dense in zip(_linear(student), _dense(keras, in_keras), strict=True):
        kernel, bias = (torch.as_tensor(part) for part in dense.get_weights())
        layer.load_state_dict({"weight": kernel.T, "bias": bias})
    return student


def _linear(network: nn.Module) -> list[nn.Linear]:
    return [part for part in network.modules() if isinstance(part, nn.Linear)]


def _dense(keras: Any, network: Any) -> list[Any]:
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)]


def _rebuilt(keras: Any, network: nn.Module) -> Any:
    """The same network, with the same weights, of Keras' layers."""
    layers = _linear(network)
    parts = [keras.layers.Input((1, 28, 28)), keras.layers.Flatten()]
    for hidden, _ in pairwise(layers):
        parts.append(keras.layers.Dense(hidden.out_features, activation="relu"))
    parts.append(keras.layers.Dense(layers[-1].out_features))
    rebuilt = keras.Sequential(parts)
    for layer, dense in zip(layers, _dense(keras, rebuilt), strict=True):
        dense.set_weights([layer.weight.detach().cpu().numpy().T, layer.bias.detach().cpu().numpy()])
    return rebuilt
