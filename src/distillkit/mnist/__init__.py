"""Hinton's experiments on MNIST, written with the library's public names alone.

A *cell* is one network to train, with its loss and transfer set; it has a run for each seed. An *experiment*
measures several networks at once. All runs of a folder are its *evidence*; a *claim* is one sentence of a
publication, and its *rule*, written before the runs, judges the evidence. The *ledger* has a row a claim.

From below: `data`, `protocols` (settings), `cells` and `drawing`, `experiments`, `jobs` (what runs when) and
`judging`, `reporting`, `verifying`; `plan`, `reproduction` and `sweep` put them together.
"""
