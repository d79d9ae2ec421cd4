"""sum mean var max min max_dim min_dim argmax argmin."""
import warnings

import torch

from golden import FLOATS, INTEGERS, Golden, Input

INF, NAN = float('inf'), float('nan')
warnings.filterwarnings('ignore', message='var')  # of one element

CHOICES = [  # shape, dimensions (none: all), layout
    ([3, 5], [], ''), ([3, 5], [0], ''), ([3, 5], [1], ''), ([3, 5], [-1], ''), ([3, 5], [0, 1], ''), ([], [], ''),
    ([], [0], ''), ([], [-1], ''), ([1], [0], ''), ([7], [0], ''), ([33], [], ''), ([33], [-1], ''),
    ([2, 3, 7], [1], ''), ([2, 3, 7], [0, 2], ''), ([2, 3, 7], [-1, 0], ''), ([2, 3, 7], [1, 2], ''),
    ([2, 3, 7], [0, 1], ''), ([17, 3], [0], ''), ([3, 17], [1], ''), ([5, 33], [0], ''), ([33, 5], [1], ''),
    ([2, 1, 3, 1, 2], [1, 4], ''), ([2, 1, 3, 1, 2], [0, 2, -1], ''), ([1, 2, 1, 2, 1, 1, 2, 3], [1, 3, 6], ''),
    ([3, 5], [0], 't=0,1'), ([3, 5], [1], 't=0,1'), ([3, 5], [], 't=0,1'), ([3, 7], [1], 's=1'), ([7, 3], [0], 's=0'),
    ([2, 3, 5], [1], 't=0,2'), ([2, 3, 5], [0, 2], 't=1,2'), ([3, 5], [0], 'e=0'), ([3, 5], [], 'e=1'),
    ([17], [], 's=0'), ([2, 3, 5], [2], 'o=1'), ([5, 17], [1], 't=0,1'), ([5, 17], [0], 'o=1'),
]
EMPTY = [([0], [0]), ([0], []), ([3, 0], [0]), ([3, 0], [1]), ([3, 0], []), ([0, 3], [0]), ([0, 3], [1]), ([2, 0, 3], [0, 2])]
WRONG = [([3, 5], [2]), ([3, 5], [-3]), ([3, 5], [0, 0]), ([3, 5], [1, -1]), ([], [1])]


def reduction(g, op, function, dtypes, one=False, **parameters):
    """one: the operation takes one dimension, or all of them."""
    def case(x, dims, keepdim):
        if one and len(dims) > 1:
            return
        if op == 'var' and not parameters['biased'] and x.values.dim() == 0:
            # One element has no variance, and that no gradient: NaN. Torch 1.13 gives infinity for scalars alone.
            x = Input(x.values, x.layout, grad=False)
        g.case(op, lambda t: function(t, dims, keepdim), [x], dims=dims or None, keepdim=keepdim, **parameters)

    for dtype in dtypes:
        for number, (shape, dims, layout) in enumerate(CHOICES):
            for keepdim in (False, True):
                # Both for small floating tensors, else in turns.
                if dtype in FLOATS and len(shape) < 3 and 17 not in shape and 33 not in shape or keepdim == number % 2:
                    case(g.input(shape, dtype, layout, low=-3, high=3), dims, keepdim)
        for shape, dims in EMPTY:
            case(Input(torch.zeros(shape, dtype=dtype)), dims, False)
        case(Input(torch.zeros([3, 0], dtype=dtype)), [0], True)
        for shape, dims in WRONG:
            case(g.input(shape, dtype), dims, False)
    for dtype in FLOATS:
        case(g.input([3, 5], dtype, grad=False), [0], False)
        for values in ([1.0, NAN, 3.0], [NAN, 1.0, NAN], [INF, 1.0, -INF], [INF, INF, 2.0], [-INF, -INF, -INF],
                       [2.0, 1.0, 2.0], [1.0, 1.0, 1.0], [-0.0, 0.0, -0.0], [0.0, -0.0, NAN]):
            case(Input(torch.tensor(values, dtype=dtype)), [0], False)
            case(Input(torch.tensor(values, dtype=dtype)), [], False)
        many = torch.round(g.values([3, 33], dtype))  # full of ties
        for dims in ([0], [1], []):
            case(Input(many), dims, False)
            case(Input(many, 't=0,1'), dims, True)
        many = many.clone()
        many[1, 20], many[2, 7], many[2, 30] = NAN, NAN, NAN
        for dims in ([0], [1], []):
            case(Input(many), dims, False)


def all_or(dims, x):
    return tuple(dims) if dims else tuple(range(x.dim()))


def along_one(g, op, function, dtypes):
    """Values and positions along one dimension."""
    def case(x, dim, keepdim):
        g.case(op, lambda t: tuple(function(t, dim, bool(keepdim))), [x], dim=dim, keepdim=keepdim)

    for dtype in dtypes:
        for shape, dims, layout in CHOICES:
            if len(dims) == 1:
                case(g.input(shape, dtype, layout, low=-3, high=3), dims[0], len(shape) % 2)
        for shape, dims in EMPTY + WRONG:
            if len(dims) == 1:
                case(Input(torch.zeros(shape, dtype=dtype)), dims[0], False)
    for dtype in FLOATS:
        case(g.input([3, 5], dtype, grad=False), 0, False)
        many = torch.round(g.values([3, 33], dtype))
        for values in (many, torch.where(many == 1, NAN, many)):
            for layout in ('', 't=0,1'):
                case(Input(values, layout), 0, False)
                case(Input(values, layout), 1, True)
        case(Input(torch.tensor([NAN, INF, -INF, NAN], dtype=dtype)), 0, False)
        case(Input(torch.tensor([INF, -INF, INF, -INF], dtype=dtype)), 0, False)


g = Golden(__file__)
EXACT = FLOATS + INTEGERS
reduction(g, 'sum', lambda x, d, k: x.sum(d, k) if d or k else x.sum(), EXACT + (torch.bool,))
reduction(g, 'mean', lambda x, d, k: x.mean(d, k) if d or k else x.mean(), FLOATS)
for biased in (False, True):
    reduction(g, 'var', lambda x, d, k: x.var(all_or(d, x), not biased, k) if x.dim() or d else x.var(not biased),
              FLOATS, biased=biased)
for op in ('mean', 'var'):
    for dtype in INTEGERS + (torch.bool,):
        g.case(op, lambda x: getattr(x, op)(0), [g.input([3, 5], dtype)], dims=[0], keepdim=0)  # fails
reduction(g, 'max', lambda x, d, k: x.amax(d, k), EXACT + (torch.bool,))
reduction(g, 'min', lambda x, d, k: x.amin(d, k), EXACT + (torch.bool,))
along_one(g, 'max_dim', torch.max, EXACT + (torch.bool,))
along_one(g, 'min_dim', torch.min, EXACT + (torch.bool,))
reduction(g, 'argmax', lambda x, d, k: x.argmax(d[0], k) if d else x.argmax() if not k else
          x.argmax().reshape([1] * x.dim()), EXACT, one=True)
reduction(g, 'argmin', lambda x, d, k: x.argmin(d[0], k) if d else x.argmin() if not k else
          x.argmin().reshape([1] * x.dim()), EXACT, one=True)
large = torch.tensor([2**53, 2**53 + 1, 2**53, -(2**53) - 1, 1])
for op, function in (('sum', torch.sum), ('max', torch.amax), ('min', torch.amin), ('argmax', torch.argmax),
                     ('argmin', torch.argmin)):
    g.case(op, function, [Input(large)], keepdim=0)
g.write()
