#!/usr/bin/env python3
"""One epoch of the network of fashion_mlp.c in plain torch with its DataLoader: the peer `torch` of epoch/fashion_mlp.

    fashion_torch.py THREADS IMAGES LABELS             the milliseconds of one epoch
    fashion_torch.py THREADS IMAGES LABELS --losses    the first five losses, a line each
"""
import itertools
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


def idx(path, header):
    with open(path, 'rb') as file:
        return torch.frombuffer(bytearray(file.read()[header:]), dtype=torch.uint8)


def main():
    torch.set_num_threads(int(sys.argv[1]))
    x = idx(sys.argv[2], 16).reshape(-1, 784).float() / 255
    y = idx(sys.argv[3], 8).long()
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(784, 500), nn.ReLU(), nn.Linear(500, 10))
    adam = torch.optim.Adam(net.parameters())
    loader = DataLoader(TensorDataset(x, y), 128, shuffle=True)
    losses = sys.argv[4:] == ['--losses']
    begin = time.perf_counter()
    for images, classes in itertools.islice(loader, 5) if losses else loader:
        adam.zero_grad()
        loss = F.cross_entropy(net(images), classes)
        loss.backward()
        adam.step()
        if losses:
            print(f'{loss.item():.9g}')
    if not losses:
        print(f'{(time.perf_counter() - begin) * 1e3:.3f}')


if __name__ == '__main__':
    main()
