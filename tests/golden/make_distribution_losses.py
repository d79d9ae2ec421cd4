"""kl_div poisson_nll_loss gaussian_nll_loss."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Input
from losses_golden import INF, LAYOUTS, Losses, NAN, REDUCTIONS, SHAPES, sparse

g = Losses(__file__)


def kl_of(log_target):
    return lambda a, b, reduction: F.kl_div(a, b, reduction=reduction, log_target=log_target)


def poisson_of(plain, full, eps):
    return lambda a, b, reduction: F.poisson_nll_loss(a, b, log_input=not plain, full=full, eps=eps or 1e-8, reduction=reduction)


def gaussian_of(full, eps):
    return lambda a, b, c, reduction: F.gaussian_nll_loss(a, b, c, full=full, eps=eps or 1e-6, reduction=reduction)


for dtype in FLOATS:
    for reduction in REDUCTIONS:
        for a, b in SHAPES[:1] + SHAPES[2:] if reduction != 'sum' else SHAPES[:1]:
            g.loss('kl_div', kl_of(False), [g.input(a, dtype, low=-3, high=0), g.share(b, dtype)], reduction)
            g.loss('kl_div', kl_of(True), [g.input(a, dtype, low=-3, high=0), g.input(b, dtype, low=-3, high=0)], reduction,
                 log_target=True)
        for a, b in LAYOUTS if sparse(dtype, reduction) else []:
            g.loss('kl_div', kl_of(False), [g.input([3, 5], dtype, a, low=-3, high=0), g.share([3, 5], dtype, layout=b)], reduction)
        some = torch.tensor([-1.0, -2.0, -INF, 0.0, -1e4, NAN, -1.0], dtype=dtype)
        for other in ([0.0, 0.5, 0.5, 0.0, 1.0, 0.5, 1e-35], [0.5, -0.5, NAN, INF, 2.0, 1.0, 1.0]):
            g.loss('kl_div', kl_of(False), [Input(some), Input(torch.tensor(other, dtype=dtype), grad=False)], reduction)
        g.loss('kl_div', kl_of(True), [Input(some), Input(torch.tensor([0.0, -80.0, -1.0, 3.0, 1.0, 1.0, 1.0], dtype=dtype))], reduction,
             log_target=True)
        if reduction == 'batchmean':
            continue
        for plain in (False, True):
            for full in (False, True):
                for eps in (None, 0.1):
                    for a, b in SHAPES if not full and not eps and reduction != 'sum' else SHAPES[5:6]:
                        g.loss('poisson_nll_loss', poisson_of(plain, full, eps),
                             [g.share(a, dtype, high=3.0), g.input(b, dtype, low=0, high=4)], reduction,
                             no_log_input=plain or None, full=full or None, eps=eps)
        # Torch 1.13's gradient of Stirling's formula by a target of 0 is NaN; it is 0 where the formula is not used.
        counts = torch.tensor([0.0, 1.0, 2.0, 1.01, 8.0, 0.5, 1.0, 0.0, NAN], dtype=dtype)
        rates = torch.tensor([0.0, 0.0, 1e-9, 1.0, 8.0, 3.0, 80.0, 1.0, 1.0], dtype=dtype)
        for plain in (False, True):
            for n in (8, 9):
                g.loss('poisson_nll_loss', poisson_of(plain, True, None), [Input(rates[:n]), Input(counts[:n], grad=False)], reduction,
                     no_log_input=plain or None, full=True)
        for full in (False, True):
            for eps in (None, 0.5):
                for a, b, v in (([3, 5], [3, 5], [3, 5]), ([3, 5], [3, 5], [3]), ([3, 5], [5], [3, 1]), ([3, 5], [1], [3, 5]), ([5], [5], []),
                                ([5], [5], [1]), ([33], [33], [33]), ([2, 3, 5], [3, 5], [2, 3, 1]), ([], [], []), ([0], [0], [0]), ([3, 0], [3, 0], [3])):
                    if a == [3, 5] and len(v) == 1 or (not full and not eps and reduction != 'sum'):
                        g.loss('gaussian_nll_loss', gaussian_of(full, eps),
                             [g.input(a, dtype), g.input(b, dtype), g.share(v, dtype, high=3.0)], reduction, full=full or None, eps=eps)
        g.loss('gaussian_nll_loss', gaussian_of(False, None),
             [g.input([5, 3], dtype, 't=0,1'), g.input([5, 3], dtype, 's=0'), g.share([5, 3], dtype, layout='o=1')], reduction)
        g.loss('gaussian_nll_loss', gaussian_of(False, 0.25),
             [g.input([6], dtype), g.input([6], dtype), Input(torch.tensor([0.0, 0.2, 0.25, 0.3, 1e30, 1e-30], dtype=dtype))], reduction,
             eps=0.25)
    for op in ('kl_div', 'poisson_nll_loss'):
        g.fails(op, [g.input([3], dtype), g.input([3], torch.bool)])
        g.fails(op, [g.input([3], torch.int64), g.input([3], torch.int64)])
    g.fails('kl_div', [g.input([3], dtype), g.input([3], dtype)], reduction=4)
    g.fails('poisson_nll_loss', [g.input([3], dtype), g.input([3], dtype)], reduction=3)
    for a, b, v in (([3, 5], [3, 5], [5]), ([3, 5], [3, 5], [3, 2]), ([3, 5], [4], [3, 5]), ([3], [3], [2, 3]), ([], [], [1])):
        g.fails('gaussian_nll_loss', [g.input(a, dtype), g.input(b, dtype), g.share(v, dtype)])
    g.fails('gaussian_nll_loss', [g.input([3], dtype), g.input([3], dtype), Input(torch.tensor([1.0, -0.5, 1.0], dtype=dtype))])
    g.fails('gaussian_nll_loss', [g.input([3], dtype), g.input([3], dtype), g.input([3], torch.int64, low=1)])

g.write()
