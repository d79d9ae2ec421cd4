"""neg abs square reciprocal exp ln sqrt sin cos tanh sigmoid relu clamp."""
import torch

from golden import FLOATS, INTEGERS, Golden, Input

INF, NAN = float('inf'), float('nan')
SPECIAL = [0.0, -0.0, INF, -INF, NAN, 1.0, -1.0, 0.5, -0.5, 1e-30, -1e-30, 1e-7, -1e-7, 2.5, 30.0, -30.0]
# Where a function leaves the range of float32, and where argument reduction gets hard.
EXTREME = {
    'exp': [80.0, 88.5, 88.72, 88.73, 89.0, 200.0, -80.0, -87.2, -103.9, -104.5, -200.0, 1e-8],
    'sin': [3.14159274, 1.57079637, 100.0, 1e3, 12345.678, -1e4, 1e5, 6.2831855, 1e-4, 0.78539819],
    'cos': [3.14159274, 1.57079637, 100.0, 1e3, 12345.678, -1e4, 1e5, 6.2831855, 1e-4, 0.78539819],
    'tanh': [8.0, 9.0, 9.02, 20.0, 90.0, 1e-4, 1e-3, 0.1, 0.6, -0.625, -9.0, 1e30],
    'sigmoid': [15.0, 17.0, 88.0, 90.0, 104.0, -15.0, -50.0, -80.0, -87.0, 1e30, -1e30, 1e-4],
    'ln': [1e-38, 1e38, 1e-10, 0.9999, 1.0001, 0.70710677, 1.4142135, 3.0, 2.0, 1024.0],
    'sqrt': [1e-38, 1e38, 2.0, 3.0, 1e-10, 65536.0],
    'reciprocal': [3.0, 7.0, 1e38, -1e30],
    'square': [1e20, 1e-25, 3.3],
}


def unary(g, op, function, low=-2.0, high=2.0, integers=INTEGERS + (torch.bool,), **parameters):
    for dtype in FLOATS:
        for shape in ([3, 5], [], [1], [7], [17], [33], [2, 3, 7], [3, 33] if dtype == torch.float32 else [33], [2, 1, 3, 1, 2],
                      [0], [3, 0, 5]):
            g.case(op, function, [g.input(shape, dtype, low=low, high=high)], **parameters)
        for shape, layout in (([3, 5], 't=0,1'), ([7, 3], 's=0'), ([3, 7], 's=1'), ([17], 's=0'), ([7], 'o=0'),
                              ([3, 5], 'e=0'), ([3, 5], 'e=1'), ([2, 3, 5], 't=0,2'), ([0, 3], 't=0,1')):
            g.case(op, function, [g.input(shape, dtype, layout, low=low, high=high)], **parameters)
        some = torch.tensor(SPECIAL + EXTREME.get(op, []), dtype=dtype)
        g.case(op, function, [Input(some)], upstream=torch.full(some.shape, 0.5, dtype=dtype), **parameters)
        g.case(op, function, [Input(some[3:])], upstream=torch.full(some[3:].shape, -2, dtype=dtype), **parameters)
        g.case(op, function, [g.input([3], dtype, grad=False, low=low, high=high)], **parameters)
    for dtype in integers:
        low, high = max(low, 1 if op in ('ln', 'reciprocal') else 0 if op == 'sqrt' else -9), 9
        for shape in ([5], [], [0, 2], [3, 5], [33]):
            g.case(op, function, [g.input(shape, dtype, low=low, high=high)], **parameters)
        g.case(op, function, [g.input([3, 5], dtype, 't=0,1', low=low, high=high)], **parameters)
        g.case(op, function, [g.input([7], dtype, 's=0', low=low, high=high)], **parameters)


def clamp(low, high):
    """With bounds of the input's kind, so that integers stay integers."""
    def bound(x, b):
        return None if abs(b) == INF else b if x.dtype.is_floating_point else int(b)

    def run(x):
        if abs(low) == INF and abs(high) == INF:
            return x.clone()  # torch.clamp wants one bound at least
        return torch.clamp(x, bound(x, low), bound(x, high))
    return run


g = Golden(__file__)
unary(g, 'neg', torch.neg)
unary(g, 'abs', torch.abs, integers=INTEGERS)
unary(g, 'square', torch.square, integers=INTEGERS)
unary(g, 'reciprocal', torch.reciprocal)
unary(g, 'exp', torch.exp)
unary(g, 'ln', torch.log, low=0.05)
unary(g, 'sqrt', torch.sqrt, low=0.0)
unary(g, 'sin', torch.sin, low=-7.0, high=7.0)
unary(g, 'cos', torch.cos, low=-7.0, high=7.0)
unary(g, 'tanh', torch.tanh, low=-4.0, high=4.0)
unary(g, 'sigmoid', torch.sigmoid, low=-7.0, high=7.0)
unary(g, 'relu', torch.relu)
for low, high in ((-0.5, 1.0), (-INF, 0.5), (0.0, INF), (-INF, INF), (1.0, -1.0)):
    unary(g, 'clamp', clamp(low, high), low=-2.0, high=2.0, integers=(), limits=(low, high))
unary(g, 'clamp', clamp(-1, 2), low=-3.0, high=3.0, integers=INTEGERS, limits=(-1, 2))
g.fails('clamp', [g.input([3], torch.bool)], limits=(0, 1))  # torch makes it int64; Millrace keeps types
for dtype in FLOATS:  # on the bounds the gradient passes
    g.case('clamp', clamp(-0.5, 1.0), [Input(torch.tensor([-0.5, 1.0, -0.51, 1.01], dtype=dtype))], limits=(-0.5, 1.0))
    g.case('relu', torch.relu, [Input(torch.tensor([0.0, -0.0, NAN, -1.0], dtype=dtype))])
    g.case('abs', torch.abs, [Input(torch.tensor([0.0, -0.0, NAN, -INF], dtype=dtype))])
g.write()
