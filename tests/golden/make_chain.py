"""chain: random programs of up to 16 operations on what leaves and earlier operations gave, forward and backward.

Parameter sK is the K-th step: the number of an operation in STEPS, one or two tensors (leaves first, then results), and
what else the operation takes. The output is the sum of tanh of everything there is, the K-th times K+1."""
import torch

from golden import FLOATS, Golden


def no_grad(x):
    with torch.no_grad():
        return torch.tanh(x)


def linear(x, weight):
    if weight.dim() != 2:
        raise RuntimeError('torch 1.13 also takes a vector')
    return torch.nn.functional.linear(x, weight)


STEPS = [  # the order of tests/ops/test_chain.c
    lambda x: -x, torch.tanh, torch.sigmoid, torch.sin, torch.square, lambda x: x * 0.75, torch.clone, torch.detach,
    torch.Tensor.contiguous, torch.squeeze, lambda x: torch.flatten(x), no_grad,
    torch.add, torch.sub, torch.mul, torch.maximum, torch.matmul, linear,
    lambda x, y: torch.where(x < y, x, y), lambda x, y: x / (torch.square(y) + 1.0),
    lambda x, *dims: x.sum(dims), lambda x, *dims: x.mean(dims), lambda x, *dims: x.amax(dims),
    lambda x, *dims: x.var(dims, False),
    lambda x, *shape: x.reshape(shape), lambda x, dim: x.unsqueeze(dim), lambda x, a, b: x.transpose(a, b),
    lambda x, *order: x.permute(order), lambda x, *shape: x.expand(shape),
    lambda x, dim, start, end, step: x[(slice(None),) * dim + (slice(start, end, step),)],
    lambda x, dim, index: x.select(dim, index),
    lambda x, dim, *index: x.index_select(dim, torch.tensor(index)),
    lambda x, y, dim: torch.cat((x, y), dim), lambda x, y, dim: torch.stack((x, y), dim),
]
ONE, TWO, JOINS = 12, 20, 32  # where operations on two begin, those on one with numbers, and on two with a dimension

g = Golden(__file__)


def number(low, high):
    return int(torch.randint(low, high, (1,), generator=g.random))


def choose(*list_):
    return list_[number(0, len(list_))]


def numbers_for(op, x):
    """What else operation `op` takes for x; None when it does not go with x."""
    n, shape = x.dim(), list(x.shape)
    if op < 24:  # reductions: at least one dimension
        if n == 0 or op in (22, 23) and x.numel() == 0:
            return None
        dims = [d for d in range(n) if number(0, 2)] or [number(0, n)]
        return dims
    if op == 24:
        total, new = x.numel(), []
        for factor in (2, 3, 5, 7):
            while total and total % factor == 0:
                total //= factor
                new.insert(number(0, len(new) + 1), factor)
        while len(new) > 1 and number(0, 2):
            new[0:2] = [new[0] * new[1]]
        return None if total != 1 else new if new else [1]
    if op == 25:
        return [number(-n - 1, n + 1)] if n < 6 else None
    if n == 0:
        return None
    if op == 26:
        return [number(-n, n), number(0, n)]
    if op == 27:
        return torch.randperm(n, generator=g.random).tolist()
    if op == 28:
        return ([2] if n < 4 and number(0, 2) else []) + [choose(3, 2, 1) if s == 1 else choose(s, -1) for s in shape]
    dim = number(0, n)
    if op == 29:
        return [dim, number(0, shape[dim] + 1), number(-1, shape[dim] + 2), number(1, 4)]
    if shape[dim] == 0:
        return None
    return [dim, number(-shape[dim], shape[dim])] if op == 30 else [dim] + [number(0, shape[dim]) for _ in range(number(1, 5))]


def attempt(pool):
    """A step that works, and its result."""
    op = number(0, len(STEPS))
    a, b = max(number(0, len(pool)), number(0, len(pool))), number(0, len(pool))  # the later ones more often
    two = ONE <= op < TWO or op >= JOINS
    more = [] if op < TWO else [number(0, pool[a].dim() + 1)] if op >= JOINS else numbers_for(op, pool[a])
    if more is None:
        return None
    try:
        y = STEPS[op](*([pool[a], pool[b]] if two else [pool[a]]), *more)
    except (RuntimeError, IndexError):
        return None
    fits = y.dim() <= 8 and y.numel() <= 120 and len(more) <= 9 and not (y.abs() > 50).any()
    return ([op, a] + ([b] if two else []) + more, y) if fits else None


SHAPES = [[3, 5], [5], [], [1], [2, 3, 1], [3, 1], [5, 3], [7], [2, 1, 3], [1, 1], [4, 3], [0, 3], [2, 2, 3], [3, 3]]
for case in range(500):
    dtype = FLOATS[case % 2]
    leaves = [g.input(choose(*SHAPES), dtype, grad=number(0, 5) > 0) for _ in range(number(2, 5))]
    pool, steps = [x.make() for x in leaves], []
    for k in range(number(4, 17)):
        step = None
        while step is None:
            step = attempt(pool)
        steps.append(step[0])
        pool.append(step[1])

    def run(*x):
        pool = list(x)
        for op, a, *more in steps:
            if ONE <= op < TWO or op >= JOINS:
                pool.append(STEPS[op](pool[a], pool[more[0]], *more[1:]))
            else:
                pool.append(STEPS[op](pool[a], *more))
        return sum(torch.tanh(t).sum() * float(k + 1) for k, t in enumerate(pool))

    g.case('chain', run, leaves, **{f's{k}': step for k, step in enumerate(steps)})
g.write()
