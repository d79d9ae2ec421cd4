"""Writes curve.txt: what the chapter's training gives in PyTorch, for the flags of the program curve.

A run is

    run FLAG…
    before LOSS           of a batch drawn with a generator of its own
    after LOSS
    LOSS,EPOCH,STEP       the rows of metrics.csv

with losses as Lightning writes them. Seed, loader and model are made in Lightning's order (seed_everything, DataLoader,
LightningModule). The script first checks its loop against two of the files that Lightning itself wrote: to 1e-6, since
PyTorch's last digits hang on the processor.
"""
import argparse
import os
import shlex

import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset

RUNS = '''
--seed 42 --epochs 3
--seed 0 --optimizer adam --epochs 20
--seed 1 --optimizer adamw --epochs 20
--seed 2 --optimizer sgd --epochs 20
--seed 3 --optimizer momentum --epochs 20
--seed 4294967295 --optimizer adam --points 1000 --batch-size 33 --hidden 17 --epochs 12
--seed 4294967295 --optimizer adamw --points 1001 --batch-size 48 --hidden 20 --epochs 12
--seed 4294967295 --optimizer sgd --points 999 --batch-size 31 --hidden 15 --epochs 12
--seed 4294967295 --optimizer momentum --points 1025 --batch-size 35 --hidden 33 --epochs 12
--seed 0 --optimizer adam --points 97 --batch-size 7 --hidden 5 --epochs 15 --log-every 13
--seed 0 --optimizer adamw --points 97 --batch-size 7 --hidden 5 --epochs 15 --log-every 13 --lr 0.01
--seed 0 --optimizer sgd --points 97 --batch-size 7 --hidden 5 --epochs 15 --log-every 13 --lr 0.1
--seed 0 --optimizer momentum --points 97 --batch-size 7 --hidden 5 --epochs 15 --log-every 13 --lr 0.01
--seed 2147483648 --points 1 --batch-size 1 --hidden 1 --epochs 60 --log-every 7
--seed 5 --points 2 --batch-size 1 --hidden 2 --epochs 30 --log-every 1 --optimizer momentum
--seed 6 --points 3 --batch-size 2 --hidden 3 --epochs 20 --log-every 1 --lr 1e-2
--seed 7 --points 50 --batch-size 64 --epochs 30 --log-every 5
--seed 8 --points 50 --batch-size 1000000000 --epochs 30 --log-every 5 --hidden 64
--seed 9 --no-shuffle --points 500 --batch-size 48 --epochs 20
--seed 10 --no-shuffle --drop-last --points 500 --batch-size 48 --epochs 20 --optimizer adamw
--seed 11 --drop-last --points 100 --batch-size 48 --epochs 40 --log-every 9
--seed 12 --drop-last --points 96 --batch-size 48 --epochs 40 --log-every 9 --optimizer sgd --lr 0.02
--seed 13 --drop-last --points 47 --batch-size 48 --epochs 40
--seed 14 --points 300 --batch-size 16 --hidden 100 --epochs 10 --optimizer adamw --lr 3e-3
--seed 15 --points 300 --batch-size 100 --hidden 257 --epochs 20 --log-every 1 --optimizer momentum
--seed 16 --points 200 --batch-size 1 --epochs 2 --log-every 25
--seed 17 --points 2048 --batch-size 512 --epochs 25 --log-every 10 --lr 0.02
--seed 18 --epochs 5 --lr 0
--seed 19 --epochs 1 --log-every 33
'''


class MyCurve(Dataset):
    def __init__(self, num_points):
        self.xs = torch.linspace(0, 1, num_points)

    def __len__(self):
        return self.xs.shape[0]

    def __getitem__(self, i):
        x = self.xs[i]
        return x, 3*x + torch.sin(6*x) + 1


class MyModel(torch.nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.layer1 = torch.nn.Linear(1, hidden)
        self.layer2 = torch.nn.Linear(hidden, 1)

    def forward(self, x):
        return self.layer2(torch.sigmoid(self.layer1(x[:, None]))).squeeze(1)


OPTIMIZERS = {
    'adam': torch.optim.Adam,
    'adamw': torch.optim.AdamW,
    'sgd': torch.optim.SGD,
    'momentum': lambda parameters, lr: torch.optim.SGD(parameters, lr, momentum=0.9),
}


def parse(line):
    parser = argparse.ArgumentParser()
    for name, kind, default in (('seed', int, 42), ('points', int, 1024), ('batch-size', int, 32), ('epochs', int, 30),
                                ('hidden', int, 16), ('lr', float, 1e-3), ('optimizer', str, 'adam'),
                                ('log-every', int, 50)):
        parser.add_argument('--' + name, type=kind, default=default)
    parser.add_argument('--no-shuffle', action='store_true')
    parser.add_argument('--drop-last', action='store_true')
    return parser.parse_args(shlex.split(line))


def loss_of_a_batch(model, data, o):
    state = torch.get_rng_state()
    torch.manual_seed(o.seed)
    x, target = next(iter(DataLoader(data, batch_size=o.batch_size, shuffle=True)))
    torch.set_rng_state(state)
    with torch.no_grad():
        return F.mse_loss(model(x), target).item()


def run(o):
    """The rows, and the losses before and after."""
    data = MyCurve(o.points)
    torch.manual_seed(o.seed)
    loader = DataLoader(data, batch_size=o.batch_size, shuffle=not o.no_shuffle, drop_last=o.drop_last)
    model = MyModel(o.hidden)
    optimizer = OPTIMIZERS[o.optimizer](model.parameters(), lr=o.lr)
    before, rows, step = loss_of_a_batch(model, data, o), [], 0
    for epoch in range(o.epochs):
        for x, target in loader:
            loss = F.mse_loss(model(x), target)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            if (step + 1) % o.log_every == 0:
                rows.append((loss.item(), epoch, step))
            step += 1
    return rows, before, loss_of_a_batch(model, data, o)


def check_against_lightning(here):
    for name, line in (('seed42', '--seed 42'), ('n1000_b48_seed3', '--points 1000 --batch-size 48 --epochs 20 --seed 3')):
        rows, _, _ = run(parse(line))
        with open(os.path.join(here, f'curve_{name}.csv'), newline='') as file:
            wanted = [tuple(map(float, line.split(','))) for line in file.read().split()[1:]]
        for (loss, *where), (other, *there) in zip(rows, wanted, strict=True):
            assert where == there and abs(loss - other) <= 1e-6 * max(other, 0.05), (name, loss, other)


def main():
    torch.set_num_threads(1)
    here = os.path.dirname(os.path.abspath(__file__))
    check_against_lightning(here)
    lines = []
    for line in RUNS.strip().splitlines():
        rows, before, after = run(parse(line))
        lines += [f'run {line}', f'before {before!r}', f'after {after!r}']
        lines += [f'{loss!r},{epoch},{step}' for loss, epoch, step in rows]
    with open(os.path.join(here, 'curve.txt'), 'w') as file:
        file.write('\n'.join(lines) + '\n')


main()
