#!/usr/bin/env python3
"""torch's DataLoader without a model, the peer of loader/rows and loader/curve (bench/loader.c):

    loader_torch.py rows|curve [--workers N]   nanoseconds a sample, of the best epoch
    loader_torch.py rows|curve --order         a number that hangs on the order and the values of two epochs
"""
import argparse
import time

import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

ROWS, COLUMNS, POINTS, BATCH = 60000, 784, 1024, 32


class Curve(Dataset):
    def __init__(self):
        self.xs = torch.arange(POINTS, dtype=torch.float32) / (POINTS - 1)

    def __len__(self):
        return POINTS

    def __getitem__(self, i):
        x = self.xs[i]
        return x, 3 * x + torch.sin(6 * x) + 1


def main():
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument('work', choices=['rows', 'curve'])
    flags.add_argument('--workers', type=int, default=0)
    flags.add_argument('--order', action='store_true')
    args = flags.parse_args()

    torch.set_num_threads(1)
    torch.manual_seed(42)
    if args.work == 'rows':
        data = TensorDataset(torch.arange(ROWS, dtype=torch.float32)[:, None] + torch.arange(COLUMNS))
    else:
        data = Curve()
    loader = DataLoader(data, batch_size=BATCH, shuffle=True, num_workers=args.workers,
                        persistent_workers=args.workers > 0)
    if args.order:
        total, position = 0.0, 0
        for _ in range(2):
            for batch in loader:
                values = batch[-1].double().reshape(len(batch[-1]), -1)[:, -1]
                weights = (torch.arange(len(values)) + position) % 1000
                total += (values * weights).sum().item()
                position += len(values)
        print(f'{total:.9g}')
        return
    best = float('inf')
    for _ in range(3 if args.work == 'rows' else 8):
        begin = time.perf_counter()
        for _ in loader:
            pass
        best = min(best, time.perf_counter() - begin)
    print(f'{best / len(data) * 1e9:.5g}')


if __name__ == '__main__':
    main()
