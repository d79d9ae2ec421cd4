#!/usr/bin/python3
"""Writes lbfgs.txt: torch.optim.LBFGS on three problems.

    case NUMBER PROBLEM KEY=NUMBER …    the options that are not there have their default
    in DTYPE [SHAPE] grad : VALUES      the parameters before the first step
    in …                                data
    after STEP LOSS N_ITER FUNC_EVALS   the loss that step gave back
    value K : VALUES                    parameter K after the step

rosenbrock: sum of 100 * (x[1:] - x[:-1]^2)^2 + (1 - x[:-1])^2. quadratic: sum of c * x^2, with a second parameter that has
no gradient. waves: sum of x^2 / 10 + sin(5 x), and ripples: sin(20 x). corners: sum of
x^2 / 10 + |x|. net: mean of (tanh(data w1 + b1) w2 - target)^2.
"""
import torch

from golden import Golden, Input, text_of

g = Golden(__file__)
single, double = torch.float32, torch.float64


def rosenbrock(params, data):
    x = params[0]
    return (100 * (x[1:] - x[:-1] * x[:-1]) ** 2).sum() + ((1 - x[:-1]) ** 2).sum()


def quadratic(params, data):
    return (data[0] * params[0] * params[0]).sum()


def net(params, data):
    w1, b1, w2 = params
    return ((torch.tanh(data[0] @ w1 + b1) @ w2 - data[1]) ** 2).mean()


def waves(params, data):
    return (params[0] * params[0] * 0.1 + torch.sin(5 * params[0])).sum()


def corners(params, data):
    return (params[0].abs() + params[0] * params[0] * 0.1).sum()


def ripples(params, data):
    return (params[0] * params[0] * 0.1 + torch.sin(20 * params[0])).sum()


PROBLEMS = {'waves': waves, 'corners': corners, 'ripples': ripples, 'rosenbrock': rosenbrock, 'quadratic': quadratic, 'net': net}


def problem(name, dtype, start):
    if start:
        return [Input(torch.tensor(start, dtype=dtype))], []
    if name in ('rosenbrock', 'waves'):
        return [g.input([6], dtype)], []
    if name == 'quadratic':
        return [g.input([2, 3], dtype), g.input([2], dtype)], [g.input([2, 3], dtype, low=0.1, high=4)]
    return ([g.input([2, 5], dtype, low=-1, high=1), g.input([5], dtype, low=-1, high=1), g.input([5, 1], dtype)],
            [g.input([20, 2], dtype), g.input([20, 1], dtype)])


def steps_of(name, start, fixed, lr, count, options):
    params = [x.clone().requires_grad_() for x in start]
    optim = torch.optim.LBFGS(params, lr, **options)

    def closure():
        optim.zero_grad()
        loss = PROBLEMS[name](params, fixed)
        loss.backward()
        return loss

    for _ in range(count):
        loss = optim.step(closure).item()
        state = optim.state[params[0]]
        yield loss, state['n_iter'], state['func_evals'], [p.detach().clone() for p in params]


def same(a, b, limit):
    return a[1:3] == b[1:3] and all(torch.allclose(x, y, limit, limit) for x, y in zip(a[3], b[3]))


def run(name, dtype, lr, count, strong_wolfe=False, start=None, **options):
    inputs, data = problem(name, dtype, start)
    for x in inputs:
        x.grad = True
    for x in data:
        x.grad = False
    start, fixed = [x.values for x in inputs], [x.values for x in data]
    g.begin(name, inputs + data, dict(lr=float(lr), strong_wolfe=int(strong_wolfe), **options))
    if strong_wolfe:
        options['line_search_fn'] = 'strong_wolfe'
    # Rounding errors grow. As many steps as torch follows itself after a change in the last places.
    change, limit = (1e-15, 1e-11) if dtype == double else (1e-7, 3e-5)
    runs = [steps_of(name, [x + k * change * x for x in start], fixed, lr, count, options) for k in (0, 1, -2, 3)]
    iterations = 0
    for n, (step, *others) in enumerate(zip(*runs), 1):
        if not all(same(step, other, limit) for other in others):
            break
        loss, iterations, evaluations, params = step
        g.lines.append(f'after {n} {loss!r} {iterations} {evaluations}')
        g.lines += [f'value {k} :{text_of(p)}' for k, p in enumerate(params)]
    assert iterations >= 10 or 'tolerance_grad' in options or 'tolerance_change' in options or name not in ('rosenbrock', 'net')


for dtype in (double, single):
    run('quadratic', dtype, 1, 3)
    run('quadratic', dtype, 0.5, 10, max_iter=1)
    run('quadratic', dtype, 1, 10, strong_wolfe=True, max_iter=2)
    run('quadratic', dtype, 0.1, 10, tolerance_grad=0.5)
    run('quadratic', dtype, 0.1, 10, tolerance_change=0.05)
    run('rosenbrock', dtype, 1, 10, strong_wolfe=True, max_iter=3)
    run('rosenbrock', dtype, 1, 12, strong_wolfe=True, max_iter=2, history_size=2)
    run('rosenbrock', dtype, 0.5, 10, strong_wolfe=True, max_iter=20, max_eval=4, history_size=5)
    run('rosenbrock', dtype, 1e-3, 10, max_iter=3)
    run('net', dtype, 0.1, 10, max_iter=4)
    run('net', dtype, 1, 10, strong_wolfe=True, max_iter=2)
    run('net', dtype, 0.1, 10, max_iter=5, history_size=3)
    run('net', dtype, 0.1, 10, max_iter=10, max_eval=3)
run('rosenbrock', double, 1, 6, strong_wolfe=True)
for lr in (1e-3, 0.02, 0.1, 0.5, 1, 3, 10, 100):
    for _ in range(3):
        run('waves', double, lr, 5, strong_wolfe=True, max_iter=4)
for lr in (0.01, 0.1, 1):
    run('waves', double, lr, 5)
    run('waves', double, lr, 5, strong_wolfe=True)
    run('waves', double, lr, 5, strong_wolfe=True, tolerance_change=1e-3)
run('net', double, 0.1, 6)
# Found by trying: the search meets a bracket that is too small, too little progress twice, and a loss that grows again.
run('corners', double, 0.3, 4, strong_wolfe=True, start=[-1.59, -0.42], max_iter=4)
run('corners', double, 10, 4, strong_wolfe=True, start=[-0.21, -0.63], max_iter=4, tolerance_change=0.01)
run('corners', double, 0.05, 4, strong_wolfe=True, start=[1.17, -1.62, 1.94], max_iter=4, tolerance_change=0.01)
run('corners', double, 0.05, 4, strong_wolfe=True, start=[-1.61, -0.91], max_iter=4, tolerance_change=0.01)
run('ripples', double, 50, 4, strong_wolfe=True, start=[0.41], max_iter=4)
run('ripples', double, 3, 4, strong_wolfe=True, start=[1.34], max_iter=4)
run('ripples', double, 50, 4, strong_wolfe=True, start=[0.55], max_iter=4, tolerance_change=0.01)
g.write()
