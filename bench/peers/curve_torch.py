#!/usr/bin/env python3
"""The chapter's curve model in plain torch, one thread: the peer `torch` of step/curve, and the check on by_hand_curve.c.

    curve_torch.py --loop sliced       batches of every epoch cut before the clock starts: only the steps are timed
    curve_torch.py --loop dataloader   torch's DataLoader over a Dataset that computes each sample, as in the chapter

Prints the nanoseconds of one step. --losses FILE writes the rows that Lightning's CSVLogger would write.
"""
import argparse
import csv
import time

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, RandomSampler

LOG_EVERY = 50


class MyCurve(Dataset):
    def __init__(self, points):
        self.xs = torch.linspace(0, 1, points)

    def __len__(self):
        return self.xs.shape[0]

    def __getitem__(self, i):
        x = self.xs[i]
        return x, 3 * x + torch.sin(6 * x) + 1


class MyModel(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.layer1 = nn.Linear(1, hidden)
        self.layer2 = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.layer2(torch.sigmoid(self.layer1(x[:, None]))).squeeze(1)


def sliced_epochs(curve, batch_size, epochs):
    """What the loader would yield, made ahead of time with the draws that it would make: a base seed, then the sampler's."""
    xs, ts = curve[torch.arange(len(curve))]
    for _ in range(epochs):
        torch.empty((), dtype=torch.int64).random_()
        order = torch.tensor(list(RandomSampler(curve)))
        yield list(zip(xs[order].split(batch_size), ts[order].split(batch_size)))


def train(model, epochs):
    """Trains over epochs, an iterable of iterables of batches; returns its steps, its seconds and the rows of its losses."""
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    rows, steps = [], 0
    begin = time.perf_counter()
    for epoch, batches in enumerate(epochs):
        for x, t in batches:
            optimizer.zero_grad()
            loss = F.mse_loss(model(x), t)
            loss.backward()
            optimizer.step()
            steps += 1
            if steps % LOG_EVERY == 0:
                rows.append((loss.item(), epoch, steps - 1))
    return steps, time.perf_counter() - begin, rows


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument('--loop', choices=['sliced', 'dataloader'], default='sliced')
    flags.add_argument('--losses', metavar='FILE')
    for name, default in (('seed', 42), ('points', 1024), ('batch-size', 32), ('epochs', 30), ('hidden', 16)):
        flags.add_argument('--' + name, type=int, default=default)
    args = flags.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(args.seed)
    curve, model = MyCurve(args.points), MyModel(args.hidden)
    if args.loop == 'sliced':
        epochs = list(sliced_epochs(curve, args.batch_size, args.epochs))
    else:
        loader = DataLoader(curve, batch_size=args.batch_size, shuffle=True)
        epochs = (loader for _ in range(args.epochs))
    steps, seconds, rows = train(model, epochs)
    print(f'{seconds / max(steps, 1) * 1e9:.1f}')
    if args.losses:
        with open(args.losses, 'w', newline='') as file:
            csv.writer(file).writerows([('loss', 'epoch', 'step'), *rows])


if __name__ == '__main__':
    main()
