#!/usr/bin/python3
"""Writes lr_find.txt: Lightning's lr_find done by a loop: its rates, its smoothed loss, its early stop, and its suggestion
(lightning 2.2, tuner/lr_finder.py, of which this is the documented rule: lr = min * (max / min)^((i + 1) / n) from the second
update on, loss = mean / (1 - beta^(i + 2)), steepest of numpy.gradient).

y = 2 x at x = 0/40, 17/40, 34/40, 11/40, … (17 i modulo 40), batches of 4 in order, one weight and one bias, SGD. `in` are both parameters before; `out` are
the rates and the losses.
"""
import numpy
import torch

from golden import Golden, Input, name_of, shape_of, text_of

g = Golden(__file__)


def find(min_lr=1e-8, max_lr=1., n=100, linear=0, threshold=4., beta=0.98, skip_begin=10, skip_end=1, accumulate=1):
    weight, bias = torch.tensor([[0.25]]), torch.tensor([-0.5])
    inputs = [Input(weight.clone(), grad=False), Input(bias.clone(), grad=False)]
    model = torch.nn.Linear(1, 1)
    with torch.no_grad():
        model.weight.copy_(weight)
        model.bias.copy_(bias)
    optim = torch.optim.SGD(model.parameters(), lr=min_lr)
    x = torch.arange(40) * 17 % 40 / 40
    rates, losses, mean, best, batch = [], [], 0., 0., 0
    for i in range(n):
        share = (i + 1) / n
        lr = min_lr if i == 0 else min_lr + share * (max_lr - min_lr) if linear else min_lr * (max_lr / min_lr) ** share
        for group in optim.param_groups:
            group['lr'] = lr
        optim.zero_grad()
        for _ in range(accumulate):
            part = x[batch % 10 * 4:][:4]
            batch += 1
            loss = torch.nn.functional.mse_loss(model(part[:, None])[:, 0], 2 * part)
            (loss / accumulate).backward()
        optim.step()
        mean = beta * mean + (1 - beta) * loss.item()
        smoothed = mean / (1 - beta ** (i + 2))
        rates.append(lr)
        losses.append(smoothed)
        if threshold and i > 0 and smoothed > threshold * best:
            break
        if i == 0 or smoothed < best:
            best = smoothed
    kept = numpy.array(losses[skip_begin:-skip_end] if skip_end else losses[skip_begin:])
    suggestion = rates[numpy.argmin(numpy.gradient(kept)) + skip_begin] if len(kept) > 1 else -1
    g.begin('lr_find', inputs, dict(min_lr=min_lr, max_lr=max_lr, n=n, linear=linear, threshold=threshold, beta=beta,
                                    skip_begin=skip_begin, skip_end=skip_end, accumulate=accumulate,
                                    suggestion=float(suggestion)))
    for values in (rates, losses):
        y = torch.tensor(values, dtype=torch.float64)
        g.lines.append(f'out {name_of(y.dtype)} {shape_of(y.shape)} :{text_of(y)}')


find()
find(min_lr=1e-4, max_lr=3., n=60)
find(min_lr=1e-3, max_lr=0.5, n=40, linear=1)
find(min_lr=1e-3, max_lr=10., n=30, threshold=2., beta=0.9)
find(min_lr=1e-3, max_lr=2., n=25, threshold=0., beta=0.0, skip_begin=0, skip_end=0)
find(min_lr=1e-3, max_lr=0.3, n=20, beta=0.5, accumulate=3)
find(n=5)
g.write()
