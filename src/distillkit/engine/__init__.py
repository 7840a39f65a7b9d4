"""The training itself: from data and a loss to a student's new weights.

From below: `arguments`, `checks`, `trees` and `torch_internals` know torch alone; `data` makes batches and
`forward` calls models; `callbacks` says what may watch; `teacher` gives the teacher's outputs and `update`
turns a batch into new weights; `loop` owns the training's state and its epochs; `distiller` is the public
face, and `stack` trains several students as one.
"""
