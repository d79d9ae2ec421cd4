#!/usr/bin/python3
"""Writes optimizers.txt: parameters and state after updates by torch's optimizers.

    series
    param DTYPE [SHAPE] : VALUES      the parameters before the first step
    step                              a step; then, for each parameter that has a gradient in it:
    grad K : VALUES                   (one that had some before and has none now has been zeroed and not written)
    run NUMBER KIND KEY=NUMBER …      an optimizer over the last series; the options that are not there have their default
    group from=K KEY=NUMBER …         perhaps: the parameters from number K on are a group of their own
    then at=STEP lr=NUMBER …          from step STEP on (counted from 1) the learning rate, perhaps the momentum, of all
    after STEP K : VALUES             parameter K after step STEP
    state K NAME : VALUES             what the optimizer keeps for parameter K after the last step, by torch's name

A KEY is a field of the options (`initial` is initial_accumulator_value); switches are 1, and 0 is zero itself.

NAdam is torch 2's formula: 1.13's multiplies the momentum of the step twice, and keeps their product in a float32.
"""
import warnings

import torch

from golden import Golden, name_of, shape_of, text_of

warnings.filterwarnings('ignore')

STEPS, SHOWN, CHANGE = 12, (7, 12), 7
SHAPES = [[2, 2], [17], [], [3]]
# How large gradients are: they shrink, and come back.
SIZES = [1, 2, 1, 0.1, 0.1, 0.01, 0.1, 1, 1, 0.5, 3, 1]

single, double = torch.float32, torch.float64
g = Golden(__file__)


class NAdam(torch.optim.Optimizer):
    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, momentum_decay=4e-3):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay,
                                      momentum_decay=momentum_decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            (beta1, beta2), lr, decay = group['betas'], group['lr'], group['momentum_decay']
            for p in group['params']:
                if p.grad is None:
                    continue
                s, grad = self.state[p], p.grad
                if not s:
                    s.update(step=0, mu_product=1.0, exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
                s['step'] += 1
                mu = beta1 * (1. - 0.5 * (0.96 ** (s['step'] * decay)))
                mu_next = beta1 * (1. - 0.5 * (0.96 ** ((s['step'] + 1) * decay)))
                s['mu_product'] *= mu
                if group['weight_decay'] != 0:
                    grad = grad.add(p, alpha=group['weight_decay'])
                s['exp_avg'].mul_(beta1).add_(grad, alpha=1 - beta1)
                s['exp_avg_sq'].mul_(beta2).addcmul_(grad, grad, value=1 - beta2)
                denom = s['exp_avg_sq'].div(1 - beta2 ** s['step']).sqrt().add_(group['eps'])
                p.addcdiv_(grad, denom, value=-lr * (1. - mu) / (1. - s['mu_product']))
                p.addcdiv_(s['exp_avg'], denom, value=-lr * mu_next / (1. - s['mu_product'] * mu_next))


KINDS = {'sgd': torch.optim.SGD, 'adam': torch.optim.Adam, 'adamw': torch.optim.AdamW, 'rmsprop': torch.optim.RMSprop,
         'adagrad': torch.optim.Adagrad, 'adadelta': torch.optim.Adadelta, 'adamax': torch.optim.Adamax,
         'nadam': NAdam, 'radam': torch.optim.RAdam}


# ---- series ----

def gradient(shape, dtype, step):
    """Never zero, so that an eps of zero divides by nothing that is."""
    x = g.values(shape, torch.float64, -1.5, 1.5)
    x = torch.where(x == 0, torch.ones_like(x), x) * SIZES[step]
    return (torch.round(x * 1e4) / 1e4).to(dtype)


def everything(step, k):
    return True


def with_gaps(step, k):
    """Parameter 1 is not written from the fourth step to the sixth, 2 has its first gradient in the third, 3 never has
    one."""
    return (True, not 3 <= step <= 5, step >= 2, False)[k]


def begun_late(step, k):
    """All have a gradient from the third step on, but 2 has had two updates less, and 1 is zeroed for a while."""
    return (True, not 3 <= step <= 5, step >= 2, True)[k]


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


# ---- runs ----

def words(options):
    return ' '.join(f'{k}={float(v):g}' for k, v in options.items())


def for_torch(options):
    named = dict(options)
    if 'initial' in named:
        named['initial_accumulator_value'] = named.pop('initial')
    if 'beta1' in named or 'beta2' in named:
        named['betas'] = (named.pop('beta1', 0.9), named.pop('beta2', 0.999))
    return named


def change(optim, lr, momentum):
    for group in optim.param_groups:
        group['lr'] = lr
        if momentum is not None and 'betas' in group:
            group['betas'] = (momentum, group['betas'][1])
        elif momentum is not None:
            group['momentum'] = momentum


def run(data, kind, lr, later, then_momentum=None, second=None, **options):
    params = [p.clone().requires_grad_() for p in data[0]]
    g.count += 1
    g.lines.append(f'run {g.count} {kind} ' + words(dict(lr=lr, **options)))
    groups = [dict(params=params, lr=lr, **for_torch(options))]
    if second:
        g.lines.append('group ' + words(second))
        rest = {k: v for k, v in second.items() if k != 'from'}
        at = second['from']
        groups = [dict(groups[0], params=params[:at]), dict(params=params[at:], **for_torch(rest))]
    g.lines.append('then ' + words(dict(at=CHANGE, lr=later, **({} if then_momentum is None else dict(momentum=then_momentum)))))
    # torch's Adagrad asks the constructor alone for this one
    initial = {'initial_accumulator_value': options['initial']} if 'initial' in options else {}
    optim = KINDS[kind](groups, lr, **initial)
    for n, grads in enumerate(data[1], 1):
        if n == CHANGE:
            change(optim, later, then_momentum)
        optim.zero_grad(set_to_none=False)
        for p, x in zip(params, grads):
            if x is not None:
                p.grad = x.clone() if p.grad is None else p.grad.add_(x)
        optim.step()
        for k, p in enumerate(params):
            assert torch.isfinite(p).all()
            if n in SHOWN:
                g.lines.append(f'after {n} {k} :{text_of(p)}')
    for k, p in enumerate(params):
        for name, value in optim.state[p].items():
            if value is not None and not (name == 'step' and kind == 'sgd'):
                value = torch.tensor(value, dtype=double) if not torch.is_tensor(value) else value
                g.lines.append(f'state {k} {name} :{text_of(value)}')


def squares(data, gaps):
    run(data, 'rmsprop', 0.01, 0.003)
    run(data, 'rmsprop', 0.01, 0.003, alpha=0.9)
    run(data, 'rmsprop', 0.01, 0.003, weight_decay=0.1)
    run(data, 'rmsprop', 0.01, 0.003, momentum=0.9)
    run(data, 'rmsprop', 0.01, 0.003, centered=True)
    run(data, 'rmsprop', 0.05, 0.1, momentum=0.3, alpha=0.8, eps=1e-3, weight_decay=0.3, centered=True)
    run(data, 'adagrad', 0.01, 0.003)
    run(data, 'adagrad', 0.1, 0.3, lr_decay=0.5)
    run(data, 'adagrad', 0.1, 0.3, initial=0.5)
    run(data, 'adagrad', 0.1, 0.3, eps=0.1)
    run(data, 'adagrad', 0.1, 0.2, lr_decay=0.01, weight_decay=0.2, initial=0.1, eps=1e-3)
    run(data, 'adadelta', 1, 0.3)
    run(data, 'adadelta', 1, 0.3, rho=0.5)
    run(data, 'adadelta', 1, 0.3, rho=0.0)
    run(data, 'adadelta', 0.5, 2, rho=0.8, eps=1e-3, weight_decay=0.1)
    if not gaps:  # a gradient of zero would be divided by zero
        run(data, 'rmsprop', 0.01, 0.003, eps=0.0)
        run(data, 'rmsprop', 0.01, 0.003, alpha=0.0)
        run(data, 'adagrad', 0.01, 0.003, eps=0.0)


def moments(data, gaps):
    for kind in ('adamax', 'nadam', 'radam'):
        run(data, kind, 2e-3, 1e-3)
        run(data, kind, 0.1, 0.3, then_momentum=0.5)
        run(data, kind, 0.01, 0.003, beta1=0.5, beta2=0.9)
        run(data, kind, 0.01, 0.003, eps=0.1, beta1=0.0)
        run(data, kind, 0.01, 0.003, beta1=0.7, beta2=0.8, eps=1e-3, weight_decay=0.3)
        if not gaps and kind != 'nadam':  # with beta2=0 NAdam divides a rounding error by eps
            run(data, kind, 0.01, 0.003, beta2=0.0)
        if not gaps:
            run(data, kind, 0.01, 0.003, eps=0.0)
    run(data, 'nadam', 0.01, 0.003, momentum_decay=0.5)
    run(data, 'nadam', 0.01, 0.003, momentum_decay=0.0)


def groups(data):
    run(data, 'sgd', 0.1, 0.03, second=dict([('from', 2), ('lr', 0.2), ('momentum', 0.9)]), weight_decay=0.1)
    run(data, 'adam', 0.01, 0.02, then_momentum=0.8, second=dict([('from', 1), ('lr', 0.05), ('amsgrad', 1)]), beta2=0.9)
    run(data, 'adamw', 0.01, 0.02, second=dict([('from', 3), ('lr', 0.05), ('weight_decay', 0), ('eps', 0.1)]))
    run(data, 'rmsprop', 0.01, 0.02, then_momentum=0.5, second=dict([('from', 1), ('lr', 0.1), ('momentum', 0.2)]),
        momentum=0.9)
    run(data, 'adagrad', 0.1, 0.2, second=dict([('from', 2), ('lr', 1), ('lr_decay', 0.1)]))
    run(data, 'nadam', 0.01, 0.02, then_momentum=0.7, second=dict([('from', 2), ('lr', 0.1), ('momentum_decay', 0.1)]))


for dtypes, pattern in (([single] * 4, everything), ([single] * 4, with_gaps), ([double] * 4, everything),
                        ([double] * 4, with_gaps), ([double, single, double, single], begun_late)):
    data = series(dtypes, pattern)
    squares(data, pattern != everything)
    moments(data, pattern != everything)
    groups(data)
g.write()
