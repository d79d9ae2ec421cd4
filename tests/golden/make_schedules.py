#!/usr/bin/python3
"""Writes schedules.txt: the learning rates that torch's schedules give, step by step.

    run NUMBER OPTIM steps=N lr=RATE[,RATE…]   an optimizer with a group for each rate
    make KIND KEY=NUMBER …                     a schedule; the options that are not there have their default
    join KIND [milestones=…]                   a sequential_lr or chained_scheduler of all schedules made so far
    hand at=STEP lr=RATE                       before this step (from 1) the rates of all groups are set by hand
    metrics : VALUES                           what reduce_lr_on_plateau is given, step by step
    rates : VALUES                             the rates of all groups after the making and after each step
    momenta : VALUES                           their momenta (beta1), where a schedule moves them

What is not joined is stepped one schedule after the other. Switches are 1, and 0 is zero itself. An array has a value
for each group: maxima and bases of one_cycle_lr and cyclic_lr, lows of reduce_lr_on_plateau.
"""
import math
import random
import warnings

import torch
import torch.optim.swa_utils
from torch.optim import lr_scheduler as torch_schedules

from golden import Golden

warnings.filterwarnings('ignore')
g = Golden(__file__)

OPTIMS = {'sgd': lambda groups: torch.optim.SGD(groups, 0.1, momentum=0.5),
          'adam': lambda groups: torch.optim.Adam(groups, 0.1),
          'rmsprop': lambda groups: torch.optim.RMSprop(groups, 0.1, momentum=0.5),
          'adagrad': lambda groups: torch.optim.Adagrad(groups, 0.1)}


def wave(group):
    return lambda step: (1 + math.sin(step + group)) / (1 + step)


def cut(x):
    return 1 / (1 + x)


def make(optim, kind, o):
    o = dict(o)
    many = range(len(optim.param_groups))
    if kind == 'lambda_lr':
        return torch_schedules.LambdaLR(optim, [wave(i) for i in many])
    if kind == 'multiplicative_lr':
        return torch_schedules.MultiplicativeLR(optim, [wave(i) for i in many])
    if kind == 'cosine_annealing_lr':
        return torch_schedules.CosineAnnealingLR(optim, o.pop('t_max'), **o)
    if kind == 'cosine_annealing_warm_restarts':
        return torch_schedules.CosineAnnealingWarmRestarts(optim, o.pop('t_0'), T_mult=o.pop('t_mult', 1), **o)
    if kind in ('one_cycle_lr', 'cyclic_lr', 'reduce_lr_on_plateau'):
        for name, key in (('max_lrs', 'max_lr'), ('base_lrs', 'base_lr'), ('base_momenta', 'base_momentum'),
                          ('max_momenta', 'max_momentum'), ('min_lrs', 'min_lr')):
            if name in o:
                o[key] = o.pop(name)
        if o.pop('no_cycle_momentum', 0):
            o['cycle_momentum'] = False
    if kind == 'one_cycle_lr':
        o['anneal_strategy'] = ('cos', 'linear')[o.pop('anneal', 0)]
        o['three_phase'] = bool(o.pop('three_phase', 0))
        return torch_schedules.OneCycleLR(optim, **o)
    if kind == 'cyclic_lr':
        o['mode'] = ('triangular', 'triangular2', 'exp_range')[o.pop('mode', 0)]
        if o.pop('scale', 0):
            o['scale_fn'] = cut
        if o.pop('by_step', 0):
            o['scale_mode'] = 'iterations'
        return torch_schedules.CyclicLR(optim, **o)
    if kind == 'reduce_lr_on_plateau':
        o['mode'] = ('min', 'max')[o.pop('mode', 0)]
        o['threshold_mode'] = ('rel', 'abs')[o.pop('threshold_mode', 0)]
        return torch_schedules.ReduceLROnPlateau(optim, **o)
    if kind == 'swa_lr':
        if 'swa_lrs' in o:
            o['swa_lr'] = o.pop('swa_lrs')
        if 'anneal_epochs' in o:
            o['anneal_epochs'] = int(o['anneal_epochs'])
        o['anneal_strategy'] = ('cos', 'linear')[o.pop('anneal', 0)]
        return torch.optim.swa_utils.SWALR(optim, **o)
    names = {'step_lr': 'StepLR', 'multi_step_lr': 'MultiStepLR', 'exponential_lr': 'ExponentialLR',
             'constant_lr': 'ConstantLR', 'linear_lr': 'LinearLR', 'polynomial_lr': 'PolynomialLR'}
    return getattr(torch_schedules, names[kind])(optim, **o)


def text(value):
    if isinstance(value, (list, tuple)):
        return ','.join(map(text, value))
    return repr(float(value)).removesuffix('.0')


def words(options):
    return ''.join(f' {k}={text(v)}' for k, v in options.items())


def momentum_of(group):
    return group['betas'][0] if 'betas' in group else group.get('momentum', math.nan)


def run(*kinds, steps=25, lr=(0.1,), optim='sgd', hand=None, metrics=None):
    """Each of `kinds` is (KIND, options), or a join: ('sequential_lr', milestones) or ('chained_scheduler',)."""
    g.count += 1
    g.lines.append(f'run {g.count} {optim} steps={steps} lr={text(lr)}')
    torch_optim = OPTIMS[optim]([{'params': [torch.zeros(2, requires_grad=True)], 'lr': x} for x in lr])
    made, moves = [], False
    for kind, *options in kinds:
        if kind == 'sequential_lr':
            g.lines.append(f'join {kind} milestones={text(options[0])}')
            made = [torch_schedules.SequentialLR(torch_optim, made, list(options[0]))]
        elif kind == 'chained_scheduler':
            g.lines.append(f'join {kind}')
            made = [torch_schedules.ChainedScheduler(made)]
        else:
            g.lines.append(f'make {kind}{words(options[0])}')
            moves = moves or (kind in ('one_cycle_lr', 'cyclic_lr') and not options[0].get('no_cycle_momentum'))
            made.append(make(torch_optim, kind, options[0]))
    if hand:
        g.lines.append(f'hand at={hand[0]} lr={text(hand[1])}')
    if metrics:
        g.lines.append('metrics :' + ''.join(' ' + text(x) for x in metrics))
    rates, momenta = [], []

    def note():
        rates.extend(group['lr'] for group in torch_optim.param_groups)
        momenta.extend(momentum_of(group) for group in torch_optim.param_groups)

    note()
    for n in range(1, steps + 1):
        if hand and n == hand[0]:
            for group in torch_optim.param_groups:
                group['lr'] = hand[1]
        torch_optim.step()
        for schedule in made:
            schedule.step(*([metrics[n - 1]] if metrics else []))
        note()
    g.lines.append('rates :' + ''.join(' ' + text(x) for x in rates))
    if moves:
        g.lines.append('momenta :' + ''.join(' ' + text(x) for x in momenta))


def opts(**options):
    return options


def decay():
    two = (0.3, 0.007)
    run(('step_lr', opts(step_size=1)), steps=6)
    run(('step_lr', opts(step_size=4, gamma=0.7)), lr=two)
    run(('step_lr', opts(step_size=5, gamma=0.0)), steps=7)
    run(('step_lr', opts(step_size=3, gamma=1.3)), hand=(8, 0.9))
    run(('step_lr', opts(step_size=100)))
    run(('multi_step_lr', opts(milestones=[2, 7, 13])), lr=two)
    run(('multi_step_lr', opts(milestones=[9, 3, 3, 20], gamma=0.6)))
    run(('multi_step_lr', opts(milestones=[0, 5], gamma=0.5)), hand=(4, 0.25))
    run(('exponential_lr', opts(gamma=0.9)), lr=two)
    run(('exponential_lr', opts(gamma=0.37)), hand=(5, 1))
    run(('exponential_lr', opts(gamma=0.0)), steps=3)
    run(('constant_lr', {}), lr=two)
    run(('constant_lr', opts(factor=0.7, total_iters=1)), steps=4)
    run(('constant_lr', opts(factor=1, total_iters=11)))
    run(('constant_lr', opts(factor=0.1, total_iters=8)), hand=(5, 0.03))
    run(('linear_lr', {}), lr=two)
    run(('linear_lr', opts(start_factor=0.001, total_iters=20)))
    run(('linear_lr', opts(start_factor=1, end_factor=0.0, total_iters=10)))
    run(('linear_lr', opts(start_factor=0.9, end_factor=0.2, total_iters=7)), hand=(3, 0.5))
    run(('linear_lr', opts(start_factor=0.5, end_factor=0.5, total_iters=1)), steps=4)
    run(('polynomial_lr', {}), lr=two)
    run(('polynomial_lr', opts(total_iters=20, power=2)))
    run(('polynomial_lr', opts(total_iters=12, power=0.9)), hand=(6, 0.2))
    run(('polynomial_lr', opts(total_iters=4, power=0.0)), steps=8)
    run(('lambda_lr', {}), lr=two, hand=(5, 7))
    run(('multiplicative_lr', {}), lr=two, hand=(5, 7))


def cosines():
    two = (0.3, 0.007)
    run(('cosine_annealing_lr', opts(t_max=10)), lr=two, steps=45)
    run(('cosine_annealing_lr', opts(t_max=7, eta_min=0.01)), lr=two, steps=30)
    run(('cosine_annealing_lr', opts(t_max=1)), steps=5)
    run(('cosine_annealing_lr', opts(t_max=2, eta_min=0.003)), steps=9)
    run(('cosine_annealing_lr', opts(t_max=20)), hand=(6, 0.5))
    run(('cosine_annealing_warm_restarts', opts(t_0=1)), steps=4)
    run(('cosine_annealing_warm_restarts', opts(t_0=6)), lr=two, hand=(3, 5))
    run(('cosine_annealing_warm_restarts', opts(t_0=3, t_mult=2, eta_min=0.002)), lr=two, steps=50)
    run(('cosine_annealing_warm_restarts', opts(t_0=1, t_mult=3, eta_min=1e-4)), steps=45)


def cycles():
    two = (0.3, 0.007)
    for o in ({}, opts(anneal=1), opts(three_phase=1), opts(anneal=1, three_phase=1), opts(no_cycle_momentum=1),
              opts(pct_start=0.5), opts(pct_start=0.0), opts(pct_start=0.9, three_phase=1),
              opts(base_momentum=0.2, max_momentum=0.7), opts(base_momentum=0.0), opts(div_factor=3.0),
              opts(final_div_factor=10.0), opts(div_factor=4.0, final_div_factor=7.0, three_phase=1, anneal=1)):
        run(('one_cycle_lr', opts(max_lr=0.4, total_steps=24, **o)), steps=24)
    run(('one_cycle_lr', opts(max_lr=0.1, total_steps=25, pct_start=1.0)), steps=24, optim='adam')
    run(('one_cycle_lr', opts(max_lr=0.1, total_steps=7)), steps=7, optim='adam', lr=two)
    run(('one_cycle_lr', opts(max_lr=0.1, total_steps=1)), steps=0)
    run(('one_cycle_lr', opts(max_lr=0.1, total_steps=2)), steps=2)
    run(('one_cycle_lr', opts(max_lr=1, total_steps=9, no_cycle_momentum=1)), steps=9, optim='adagrad', lr=two)
    run(('one_cycle_lr', opts(max_lrs=[0.4, 0.1], total_steps=10, base_momenta=[0.1, 0.2], max_momenta=[0.8, 0.6])),
        steps=10, lr=two, hand=(4, 9))
    for o in ({}, opts(step_size_down=7), opts(mode=1), opts(mode=2), opts(mode=2, gamma=0.9), opts(mode=1, gamma=0.9),
              opts(no_cycle_momentum=1), opts(base_momentum=0.1, max_momentum=0.99), opts(base_momentum=0.0, mode=1),
              opts(scale=1), opts(scale=1, by_step=1, mode=1)):
        run(('cyclic_lr', opts(base_lr=0.01, max_lr=0.3, step_size_up=4, **o)), lr=two, optim='rmsprop', hand=(9, 3))
    run(('cyclic_lr', opts(base_lr=0.01, max_lr=0.3)), steps=6)
    run(('cyclic_lr', opts(base_lr=0, max_lr=0.3, step_size_up=1)), steps=6)
    run(('cyclic_lr', opts(base_lr=1, max_lr=0.3, step_size_up=3, step_size_down=1, no_cycle_momentum=1)),
        optim='adagrad')
    run(('cyclic_lr', opts(base_lrs=[0.1, 0.2], max_lrs=[0.4, 0.1], step_size_up=3, base_momenta=[0.1, 0.2],
                           max_momenta=[0.8, 0.6])), steps=10, lr=two)


def plateaus():
    numbers = random.Random(3)
    noise = [round(numbers.random() * 0.3, 3) for _ in range(60)]
    falling = [round(2 / (1 + n) + noise[n], 3) for n in range(60)]
    slow = [1 - 3e-5 * n for n in range(40)]
    broken = falling[:9] + [math.nan] * 4 + [-math.inf] + falling[14:30]

    def plateau(metrics, lr=(0.1,), hand=None, **o):
        run(('reduce_lr_on_plateau', o), steps=len(metrics), metrics=metrics, lr=lr, hand=hand)

    plateau(falling)
    plateau(falling, patience=2, lr=(0.3, 0.007))
    plateau(falling, patience=0, factor=0.5)
    plateau(falling, patience=1, factor=0.0)
    plateau([-x for x in falling], patience=2, mode=1)
    plateau([10 - x for x in falling], patience=2, mode=1)
    plateau(falling, patience=2, cooldown=5)
    plateau(falling, patience=0, cooldown=1, factor=0.9)
    plateau(falling, patience=1, min_lr=1e-3)
    plateau(falling, patience=1, min_lrs=[1e-3, 5e-3], lr=(0.3, 0.007))
    plateau(falling, patience=1, eps=0.01)
    plateau(falling[:40], patience=1, eps=0.0, factor=0.2)
    plateau(slow, patience=3)
    plateau(slow, patience=3, threshold=0.0)
    plateau(slow, patience=3, threshold_mode=1)
    plateau(slow, patience=3, threshold=2e-5, threshold_mode=1)
    plateau([-x for x in slow], patience=3, threshold=2e-5, threshold_mode=1, mode=1)
    plateau([-x for x in slow], patience=3, threshold=0.2, mode=1)
    plateau(broken, patience=2)
    plateau(falling[:40], patience=2, hand=(12, 3))


def lists():
    two = (0.3, 0.007)
    warm = ('linear_lr', opts(start_factor=0.1, total_iters=4))
    # Each schedule as the first, the second and the third of a sequence: begun anew, and gone on with.
    others = [('step_lr', opts(step_size=2, gamma=0.7)), ('multi_step_lr', opts(milestones=[0, 2, 3], gamma=0.7)),
              ('exponential_lr', opts(gamma=0.8)), ('constant_lr', opts(factor=0.4, total_iters=3)), warm,
              ('polynomial_lr', opts(total_iters=6, power=1.5)), ('cosine_annealing_lr', opts(t_max=3, eta_min=0.003)),
              ('cosine_annealing_warm_restarts', opts(t_0=2, t_mult=2, eta_min=0.003)), ('lambda_lr', {}),
              ('multiplicative_lr', {}), ('cyclic_lr', opts(base_lr=0.02, max_lr=0.2, step_size_up=2)),
              ('one_cycle_lr', opts(max_lr=0.5, total_steps=10))]
    for i, first in enumerate(others):
        second, third = others[(i + 5) % len(others)], others[(i + 7) % len(others)]
        run(first, second, third, ('sequential_lr', [5, 12]), lr=two, steps=20)
        run(first, second, ('chained_scheduler',), lr=two, steps=9)
        run(first, third, steps=9)
    run(('exponential_lr', opts(gamma=0.9)), ('sequential_lr', []), steps=5)
    run(warm, ('cosine_annealing_lr', opts(t_max=20)), ('sequential_lr', [4]), steps=30, hand=(7, 1))
    run(('constant_lr', opts(factor=0.1, total_iters=2)), ('exponential_lr', opts(gamma=0.9)), ('chained_scheduler',))
    # A sequence chained with another schedule, and chained once more.
    run(warm, ('step_lr', opts(step_size=3, gamma=0.5)), ('sequential_lr', [6]), ('exponential_lr', opts(gamma=0.95)),
        ('chained_scheduler',), ('constant_lr', opts(factor=0.5, total_iters=6)), ('chained_scheduler',), steps=20)


def averages():
    two = (0.3, 0.007)
    for o in ({}, opts(anneal=1), opts(anneal_epochs=4), opts(anneal_epochs=4, anneal=1), opts(anneal_epochs=1),
              opts(anneal_epochs=0)):
        run(('swa_lr', opts(swa_lr=0.05, **o)), lr=two, steps=15)
    run(('swa_lr', opts(swa_lrs=[0.05, 0.5], anneal_epochs=6)), lr=two, steps=9, hand=(4, 0.25))


decay()
cosines()
cycles()
plateaus()
lists()
averages()
g.write()
