"""Writes examples.txt: what the programs in examples/ print, as PyTorch prints it for the same seed.

A section "== NAME" for each program, written by a PyTorch program that does the same, with print(). The sections of the
two pictures hold the points of their three batches instead, a line for each.
"""
import contextlib
import io
import math
import os

import pandas
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, IterableDataset, WeightedRandomSampler, random_split


class MyCurve(Dataset):
    def __init__(self, num_points):
        self.xs = torch.linspace(0, 1, num_points)

    def __len__(self):
        return self.xs.shape[0]

    def __getitem__(self, i):
        x = self.xs[i]
        y = 3*x + torch.sin(6*x) + 1
        return x, y


class StreamedCurve(IterableDataset):
    def __init__(self, start, end, delta):
        self.start = torch.tensor(start, dtype=torch.float)
        self.end = torch.tensor(end, dtype=torch.float)
        self.delta = torch.tensor(delta, dtype=torch.float)

    def __iter__(self):
        def f(x):
            return 3*x + torch.sin(6*x) + 1
        x = self.start
        while x < self.end:
            yield x, f(x)
            x = x + self.delta


class MyModel(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1 = torch.nn.Linear(1, 16)
        self.layer2 = torch.nn.Linear(16, 1)

    def forward(self, x):
        x = x[:, None]
        x = self.layer1(x)
        x = torch.sigmoid(x)
        x = self.layer2(x)
        return x.squeeze(1)


def sub_gradients(model, learning_rate):
    with torch.no_grad():
        for p in model.parameters():
            p.sub_(learning_rate * p.grad)


def fit(f, loader, epochs):
    """Trainer(max_epochs=epochs).fit(f, loader) with a row of metrics every 50 steps."""
    adam, rows, step = torch.optim.Adam(f.parameters()), [], 0
    for epoch in range(epochs):
        for x, target in loader:
            loss = F.mse_loss(f(x), target)
            adam.zero_grad()
            loss.backward()
            adam.step()
            if (step + 1) % 50 == 0:
                rows.append((loss.item(), epoch, step))
            step += 1
    return rows


def dataset():
    ds = MyCurve(100)
    print('len =', len(ds))
    print(ds[42])


def stream():
    iterator = iter(StreamedCurve(0, 2, 0.1))
    print((next(iterator), next(iterator), next(iterator)))


def loader():
    print(next(iter(DataLoader(StreamedCurve(0, 2, 0.01), batch_size=32))))


def points(dataloader):
    iterator = iter(dataloader)
    for _ in range(3):
        for x, y in zip(*next(iterator)):
            print(f'{x.item()!r} {y.item()!r}')


def batches_in_order():
    points(DataLoader(StreamedCurve(0, 2, 0.01), batch_size=32))


def batches_shuffled():
    points(DataLoader(MyCurve(100), batch_size=32, shuffle=True))


def gradient_descent():
    model = MyModel()
    x, target = next(iter(DataLoader(MyCurve(100), batch_size=100)))
    for epoch in range(1001):
        loss = F.mse_loss(model(x), target)
        model.zero_grad()
        loss.backward()
        sub_gradients(model, 0.05)
        if epoch % 200 == 0:
            print(f'epoch {epoch}: loss {loss.item():.4f}')


def batch_training():
    dataloader = DataLoader(MyCurve(1024), batch_size=32, shuffle=True)
    model = MyModel()
    for epoch in range(30):
        total = 0
        for x, target in dataloader:
            loss = F.mse_loss(model(x), target)
            model.zero_grad()
            loss.backward()
            sub_gradients(model, 0.05)
            total += loss.item()
        if epoch % 5 == 0:
            print(f'epoch {epoch}: loss {total / len(dataloader):.4f}')


def model_and_loss():
    dataloader = DataLoader(MyCurve(100), batch_size=32, shuffle=True)
    x, target = next(iter(dataloader))
    print((x.shape, target.shape))
    f = MyModel()
    with torch.no_grad():
        y = f(x)
        print(y.shape)
        print(F.mse_loss(y, target))


def trainer():
    dataloader = DataLoader(MyCurve(100), batch_size=32, shuffle=True)
    training_dataloader = DataLoader(MyCurve(1024), batch_size=32, shuffle=True)
    f = MyModel()
    x, target = next(iter(dataloader))
    with torch.no_grad():
        print(F.mse_loss(f(x), target))
    fit(f, training_dataloader, 10)
    with torch.no_grad():
        print(F.mse_loss(f(x), target))


TRAINED = []


def logging():
    dataloader = DataLoader(MyCurve(1024), batch_size=32, shuffle=True)
    f = MyModel()
    print(pandas.DataFrame(fit(f, dataloader, 30), columns=['loss', 'epoch', 'step']).head())
    print('picture: loss.png')
    TRAINED.append(f)


def predict():
    x = torch.linspace(0, 1, 6)
    with torch.no_grad():
        print('x =', x)
        print('y =', TRAINED[0](x))


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return 0.5 * (5 * x ** 3 - 3 * x)

    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        return grad * 1.5 * (5 * x ** 2 - 1)


def own_operation():
    x = torch.linspace(-math.pi, math.pi, 2000)
    y = torch.sin(x)
    a, b, c, d = p = [torch.tensor(v, requires_grad=True) for v in (0.0, -1.0, 0.0, 0.3)]
    for step in range(1, 2001):
        loss = F.mse_loss(a + b * LegendrePolynomial3.apply(c + d * x), y)
        loss.backward()
        if step % 500 == 0:
            print(f'step {step}: loss {loss.item():.4f}')
        with torch.no_grad():
            for q in p:
                q.sub_(0.01 * q.grad)
                q.grad.zero_()
    print(f'y = {b.item():.4f} P3({d.item():.4f} x), and nearly nothing else')


def split_and_weights():
    train, rest = random_split(MyCurve(12), [9, 3])
    print(len(train), 'and', len(rest), 'points')
    loader = DataLoader(train, batch_size=6, sampler=WeightedRandomSampler([1]*8 + [8], 12))
    for _ in range(2):
        for x, y in loader:
            print(x)


def main():
    torch.set_num_threads(1)
    here = os.path.dirname(os.path.abspath(__file__))
    programs = (dataset, stream, loader, batches_in_order, batches_shuffled, gradient_descent, batch_training,
                model_and_loss, trainer, logging, predict, own_operation,
                split_and_weights)
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        for number, program in enumerate(programs, 1):
            print(f'== {number:02}_{program.__name__}')
            torch.manual_seed(42)
            program()
    with open(os.path.join(here, 'examples.txt'), 'w') as file:
        file.write(out.getvalue())


main()
