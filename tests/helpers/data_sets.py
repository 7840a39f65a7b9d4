"""Map-style data sets for tests."""

from __future__ import annotations

from torch.utils.data import Dataset


class Items(Dataset):
    """A list as a data set."""

    def __init__(self, items):
        self.items = items

    def __len__(self):
        return len(self.items)

    def __getitem__(self, index):
        return self.items[index]


class Pairs(Dataset):
    """Tensors of inputs and of classes as a data set of (input, int) pairs."""

    def __init__(self, data):
        self.data = data

    def __len__(self):
        return len(self.data[0])

    def __getitem__(self, index):
        return self.data[0][index], int(self.data[1][index])
