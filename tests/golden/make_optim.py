#!/usr/bin/python3
"""Writes optim.txt: parameters after updates by torch's optimizers.

    series
    param DTYPE [SHAPE] : VALUES      the parameters before the first step
    step                              a step; then, for each parameter that has a gradient in it:
    grad K : VALUES                   (one that had some before and has none now has been zeroed and not written)
    run NUMBER KIND KEY=NUMBER …      an optimizer over the last series; the options that are not there have their default
    later=NUMBER at=STEP              the learning rate from step STEP on (counted from 1)
    after STEP K : VALUES             parameter K after step STEP

A KEY is a field of the options; `amsgrad=1` and `nesterov=1` are switches, 0 is zero itself. The KIND `hand` is no
optimizer, but p.sub_(lr * p.grad).
"""
import warnings

import torch

from golden import Golden, name_of, shape_of, text_of

warnings.filterwarnings('ignore')

STEPS, SHOWN = 12, (1, 7, 12)
SHAPES = [[3, 5], [17], [], [7], [1, 6]]
# How large gradients are: they shrink, so that amsgrad remembers, and come back.
SIZES = [1, 2, 1, 0.1, 0.1, 0.01, 0.1, 1, 1, 0.5, 3, 1]

single, double = torch.float32, torch.float64
g = Golden(__file__)


def gradient(shape, dtype, step):
    """Never zero, so that an eps of zero divides by nothing that is."""
    x = g.values(shape, torch.float64, -1.5, 1.5)
    x = torch.where(x == 0, torch.ones_like(x), x) * SIZES[step]
    return (torch.round(x * 1e4) / 1e4).to(dtype)


def everything(step, k):
    return True


def with_gaps(step, k):
    """Parameter 1 is not written from the fourth step to the sixth, 2 has its first gradient in the third, 3 never has
    one, and 4 has one in every other step."""
    return (True, not 3 <= step <= 5, step >= 2, False, step % 2 == 1)[k]


def begun_late(step, k):
    """All have a gradient from the third step on, but 2 has had two updates less, and 1 is zeroed for a while."""
    return (True, not 3 <= step <= 5, step >= 2, True, True)[k]


def series(dtypes, has_gradient):
    params = [g.values(s, d) for s, d in zip(SHAPES, dtypes)]
    steps = [[gradient(s, d, n) if has_gradient(n, k) else None for k, (s, d) in enumerate(zip(SHAPES, dtypes))]
             for n in range(STEPS)]
    g.lines.append('series')
    for p in params:
        g.lines.append(f'param {name_of(p.dtype)} {shape_of(p.shape)} :{text_of(p)}')
    for grads in steps:
        g.lines.append('step')
        g.lines += [f'grad {k} :{text_of(x)}' for k, x in enumerate(grads) if x is not None]
    return params, steps


class Hand(torch.optim.SGD):
    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group['params']:
                if p.grad is not None:
                    p.sub_(group['lr'] * p.grad)


def run(data, kind, lr, later, **options):
    params = [p.clone().requires_grad_() for p in data[0]]
    g.count += 1
    g.lines.append(' '.join([f'run {g.count} {kind} lr={lr:g}'] + [f'{k}={float(v):g}' for k, v in options.items()]))
    g.lines.append(f'later={later:g} at={STEPS // 2 + 1}')
    named = dict(options)
    if 'beta1' in named or 'beta2' in named:
        named['betas'] = (named.pop('beta1', 0.9), named.pop('beta2', 0.999))
    kinds = {'sgd': torch.optim.SGD, 'adam': torch.optim.Adam, 'adamw': torch.optim.AdamW, 'hand': Hand}
    optim = kinds[kind](params, lr, **named)
    for n, grads in enumerate(data[1], 1):
        if n == STEPS // 2 + 1:
            optim.param_groups[0]['lr'] = later
        optim.zero_grad(set_to_none=False)
        for p, x in zip(params, grads):
            if x is not None:
                p.grad = x.clone() if p.grad is None else p.grad.add_(x)
        optim.step()
        if n in SHOWN:
            for k, p in enumerate(params):
                g.lines.append(f'after {n} {k} :{text_of(p)}')


def runs(data, gaps):
    run(data, 'hand', 0.1, 0.03)
    run(data, 'sgd', 0.1, 0.03)
    run(data, 'sgd', 0.1, 0.2, weight_decay=0.1)
    run(data, 'sgd', 0.1, 0.03, momentum=0.9)
    run(data, 'sgd', 0.1, 0.03, momentum=0.9, nesterov=True)
    run(data, 'sgd', 0.1, 0.03, momentum=0.5, dampening=0.25)
    run(data, 'sgd', 0.02, 0, momentum=0.7, dampening=0.3, weight_decay=0.05)
    run(data, 'sgd', 0.1, 0.03, momentum=0.9, weight_decay=0.5, nesterov=True)
    for kind in ('adam', 'adamw'):
        run(data, kind, 1e-3, 3e-4)
        run(data, kind, 0.1, 0.5)
        run(data, kind, 0.01, 0.003, beta1=0.5, beta2=0.9)
        run(data, kind, 0.01, 0.003, beta1=0.0)
        run(data, kind, 0.01, 0.003, eps=0.1)
        if not gaps:  # a gradient of zero would be divided by zero, and with beta2=0 a rounding error by eps
            run(data, kind, 0.01, 0.003, beta2=0.0)
            run(data, kind, 0.01, 0.003, eps=0.0)
        run(data, kind, 0.01, 0.003, weight_decay=0.1)
        run(data, kind, 0.01, 0.003, weight_decay=0.0)
        run(data, kind, 0.01, 0.003, amsgrad=True)
        run(data, kind, 0.05, 0.1, amsgrad=True, beta1=0.7, beta2=0.95, eps=1e-3, weight_decay=0.3)


for dtypes, pattern in (([single] * 5, everything), ([single] * 5, with_gaps), ([double] * 5, everything),
                        ([double] * 5, with_gaps), ([double, single, single, double, single], begun_late),
                        ([single, double, double, single, double], with_gaps)):
    runs(series(dtypes, pattern), pattern != everything)
g.write()
