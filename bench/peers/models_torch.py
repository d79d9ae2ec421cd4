#!/usr/bin/env python3
"""The models of models.c in plain torch: the peer `torch` of step/mlp and the like.

    models_torch.py THREADS NAME...            a line each: name, best and median milliseconds of a step
    models_torch.py THREADS --losses NAME      the first five losses, a line each
"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


def mlp():
    model = nn.Sequential(nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))
    return model, torch.rand(128, 784), torch.randint(0, 10, (128,)), F.cross_entropy, torch.optim.Adam


def cnn():
    model = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(),
                          nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10))
    return model, torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,)), F.cross_entropy, torch.optim.Adam


class LastLSTM(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm, self.out = nn.LSTM(32, 128, batch_first=True), nn.Linear(128, 1)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


def lstm():
    return LastLSTM(), torch.rand(32, 64, 32), torch.rand(32, 1), F.mse_loss, torch.optim.Adam


class LM(nn.Module):
    def __init__(self, vocabulary=96, width=128, length=128, heads=4, layers=2):
        super().__init__()
        self.tok, self.pos = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList([nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, 'gelu', batch_first=True,
                                                                norm_first=True) for _ in range(layers)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        self.register_buffer('mask', torch.triu(torch.full((length, length), float('-inf')), 1))

    def forward(self, tokens):
        x = self.tok(tokens) + self.pos.weight
        for block in self.blocks:
            x = block(x, self.mask)
        return self.out(self.norm(x)).transpose(1, 2)


def transformer():
    return LM(), torch.randint(0, 96, (16, 128)), torch.randint(0, 96, (16, 128)), F.cross_entropy, torch.optim.AdamW


MODELS = {'mlp': mlp, 'cnn': cnn, 'lstm': lstm, 'transformer': transformer}


def stepper(name):
    torch.manual_seed(0)
    model, x, target, loss, optimizer = MODELS[name]()
    optimizer = optimizer(model.parameters())

    def step():
        optimizer.zero_grad()
        value = loss(model(x), target)
        value.backward()
        optimizer.step()
        return value
    return step


def times(name, least=1.0):
    step, taken = stepper(name), []
    for _ in range(3):
        step()
    begin = time.perf_counter()
    while len(taken) < 20 or time.perf_counter() - begin < least:
        before = time.perf_counter()
        step()
        taken.append((time.perf_counter() - before) * 1e3)
    taken.sort()
    return taken[0], taken[len(taken) // 2]


def main():
    threads, names = int(sys.argv[1]), sys.argv[2:]
    torch.set_num_threads(threads)
    if names[0] == '--losses':
        step = stepper(names[1])
        for _ in range(5):
            print(f'{step().item():.9g}')
    else:
        for name in names:
            print(name, '{:.4f} {:.4f}'.format(*times(name)))


if __name__ == '__main__':
    main()
