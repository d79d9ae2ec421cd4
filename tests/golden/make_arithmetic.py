"""add sub mul div pow minimum maximum, and arithmetic with a number."""
import torch

from golden import DTYPES, FLOATS, INTEGERS, Golden, Input, Same

INF, NAN = float('inf'), float('nan')

PAIRS = [  # shapes of a and b
    ([3, 5], [3, 5]), ([3, 5], [5]), ([5], [3, 5]), ([3, 1], [1, 5]), ([1], [7]), ([], [3, 5]), ([3, 5], []),
    ([], []), ([2, 1, 3], [4, 1]), ([1, 1], [1]), ([1], []), ([17], [17]), ([33], [1]), ([3, 33], [33]),
    ([33, 3], [33, 1]), ([3, 17], [1, 17]), ([2, 1, 3, 1, 2], [3, 1, 2, 1]), ([1, 2, 1, 1, 2, 1, 1, 1], [2, 1, 3]),
    ([2, 3, 1], [2, 1, 5]), ([2, 1, 5], [3, 1]),
    ([0], [0]), ([0], [1]), ([0], []), ([0, 3], [3]), ([3, 0], [1, 1]), ([2, 0, 5], [2, 1, 1]),
]
LAYOUTS = [  # shape and layout of a, then of b
    ([3, 5], 't=0,1', [3, 5], ''), ([3, 5], '', [3, 5], 't=0,1'), ([3, 5], 't=0,1', [3, 5], 't=0,1'),
    ([3, 5], 's=1', [5], ''), ([3, 5], 's=0', [3, 5], 's=1'), ([7], 's=0', [7], 'o=0'), ([3, 5], 'o=0', [3, 1], ''),
    ([3, 5], 'e=0', [3, 5], ''), ([3, 5], '', [3, 5], 'e=1'), ([2, 3, 5], 't=0,2', [3, 1], 's=0'),
    ([5, 33], 't=0,1', [33], 's=0'), ([2, 3, 17], 't=1,2', [2, 1, 17], ''), ([0, 3], 't=0,1', [3], ''),
]


def divisor(g, shape, dtype, **kind):
    """Values away from zero, of both signs."""
    x = g.input(shape, dtype, low=0.4, high=2.0, **kind)
    x.values = torch.where(x.values > 1.0, x.values, -x.values)
    return x


def second(g, op, shape, dtype, layout=''):
    return divisor(g, shape, dtype, layout=layout) if op == 'div' else g.input(shape, dtype, layout)


def first(g, op, shape, dtype, layout=''):
    return g.input(shape, dtype, layout, low=0.1) if op == 'pow' else g.input(shape, dtype, layout)


def specials(op):
    """Pairs of unusual values, every one with every other."""
    some = [-2.0, -1.0, -0.5, -0.0, 0.0, 0.5, 1.0, 2.0, 3.0, INF, -INF, NAN] if op == 'pow' else \
        [-3.0, -0.0, 0.0, 1.0, 1e-30, 3e38, INF, -INF, NAN]
    a = torch.tensor(some, dtype=torch.float64).reshape(-1, 1).expand(-1, len(some)).reshape(-1)
    return a, torch.tensor(some, dtype=torch.float64).repeat(len(some))


def power(a, b):
    """torch.pow, whose backward does not take an exponent of type bool."""
    return torch.pow(a, b.to(a.dtype) if a.requires_grad and b.dtype == torch.bool else b)


def binary(g, op, function):
    for dtype in FLOATS:
        for a, b in PAIRS:
            g.case(op, function, [first(g, op, a, dtype), second(g, op, b, dtype)])
        for a, a_layout, b, b_layout in LAYOUTS:
            g.case(op, function, [first(g, op, a, dtype, a_layout), second(g, op, b, dtype, b_layout)])
        a, b = specials(op)
        up = torch.full(a.shape, 0.5, dtype=dtype)
        g.case(op, function, [Input(a.to(dtype)), Input(b.to(dtype))], upstream=up)
        # Gradients for one of the two only, and for one tensor as both.
        for grads in ((True, False), (False, True), (False, False)):
            x, y = first(g, op, [3, 5], dtype), second(g, op, [1, 5], dtype)
            x.grad, y.grad = grads
            g.case(op, function, [x, y])
        same = first(g, op, [3, 5], dtype) if op == 'pow' else second(g, op, [3, 5], dtype)
        g.case(op, function, [same, Same(0)])
        g.case(op, function, [g.input([3, 5], dtype), g.input([3, 4], dtype)])  # fails
        g.case(op, function, [g.input([0], dtype), g.input([3], dtype)])  # fails
    # Every pair of types, with dimensions and without.
    for a in DTYPES:
        for b in DTYPES:
            if op == 'pow' and a == b == torch.bool:
                continue  # torch has none
            for a_shape, b_shape in (([3], [3]), ([], [2]), ([2], []), ([], [])):
                x, y = g.values(a_shape, a, low=0.4, high=3), g.values(b_shape, b, low=0.4, high=3)
                if op in ('div', 'pow'):
                    x, y = torch.where(x == 0, torch.ones_like(x), x), torch.where(y == 0, torch.ones_like(y), y)
                # For a base of another type torch takes the exponent's logarithm in float32: no gradient to go by.
                g.case(op, function, [Input(x), Input(y, grad=False if op == 'pow' and a != b else None)])
    # Integers: exact beyond 2^53, wrapping round, of several shapes.
    for dtype in INTEGERS:
        for a, b in (([3, 5], [5]), ([7, 1], [1, 3]), ([0, 3], [3]), ([33], [33]), ([3], [])):
            x, y = g.values(a, dtype, low=-9, high=9), g.values(b, dtype, low=-9, high=9)
            if op == 'div':
                y = torch.where(y == 0, torch.full_like(y, 7), y)
            if op == 'pow':
                y = y.abs() % 4
            g.case(op, function, [Input(x), Input(y)])
        g.case(op, function, [g.input([3, 5], dtype, 't=0,1', low=1, high=4),
                              g.input([3, 5], dtype, 's=1', low=1, high=3)])
    if op in ('add', 'sub', 'mul', 'minimum', 'maximum'):
        large = torch.tensor([2**53 + 1, -(2**53) - 3, 2**62, -(2**62), 2**63 - 1, -(2**63)])
        g.case(op, function, [Input(large), Input(torch.tensor([3, 5, 2**62, 2**62, 2, 1]))])
        g.case(op, function, [Input(torch.tensor([2**31 - 1, -(2**31)], dtype=torch.int32)),
                              Input(torch.tensor([2, -1], dtype=torch.int32))])
        g.case(op, function, [Input(torch.tensor([250, 3], dtype=torch.uint8)),
                              Input(torch.tensor([9, 5], dtype=torch.uint8))])
    if op == 'pow':
        for dtype in (torch.int64, torch.int32):
            g.fails(op, [Input(torch.tensor([2, 3], dtype=dtype)), Input(torch.tensor([1, -1], dtype=dtype))])
    if op in ('minimum', 'maximum'):  # ties share the gradient
        for dtype in FLOATS:
            x = torch.tensor([[1.0, 2.0, 3.0], [0.0, -0.0, 3.0]], dtype=dtype)
            g.case(op, function, [Input(x), Input(torch.tensor([1.0, 2.5, 3.0], dtype=dtype))])
            g.case(op, function, [Input(x), Input(torch.tensor(2.0, dtype=dtype))])
            g.case(op, function, [Input(x), Same(0)])


def with_number(g, op, function, numbers):
    for dtype in FLOATS:
        for number in numbers:
            g.case(op, lambda x: function(x, number), [first(g, op[:3], [3, 5], dtype)], value=number)
        for shape in ([], [1], [33], [2, 3, 7], [0], [3, 0]):
            g.case(op, lambda x: function(x, numbers[0]), [first(g, op[:3], shape, dtype)], value=numbers[0])
        for shape, layout in (([3, 5], 't=0,1'), ([5, 3], 's=0'), ([7], 's=0'), ([3, 5], 'e=1'), ([2, 3, 5], 'o=2')):
            g.case(op, lambda x: function(x, numbers[0]), [first(g, op[:3], shape, dtype, layout)], value=numbers[0])
        some = torch.tensor([-3.0, -1.0, -0.0, 0.0, 1.0, 1e-30, 3e38, INF, -INF, NAN], dtype=dtype)
        for number in numbers + [0.0, INF, NAN]:
            g.case(op, lambda x: function(x, number), [Input(some)], value=number)
        x = g.input([3], dtype, grad=False)
        g.case(op, lambda x: function(x, numbers[0]), [x], value=numbers[0])
    for dtype in INTEGERS + (torch.bool,):
        for number in numbers:
            for shape in ([5], [], [0, 2]):
                x = g.values(shape, dtype, low=1, high=9)
                g.case(op, lambda x: function(x, float(number)), [Input(x)], value=float(number))
        g.case(op, lambda x: function(x, float(numbers[0])), [g.input([3, 5], dtype, 't=0,1', low=1, high=9)],
               value=float(numbers[0]))


g = Golden(__file__)
binary(g, 'add', torch.add)
binary(g, 'sub', torch.sub)
binary(g, 'mul', torch.mul)
binary(g, 'div', torch.div)
binary(g, 'pow', power)
binary(g, 'minimum', torch.minimum)
binary(g, 'maximum', torch.maximum)
with_number(g, 'add_scalar', torch.add, [0.1, -3.0, 1e-9])
with_number(g, 'sub_scalar', torch.sub, [0.1, -3.0, 1e10])
with_number(g, 'rsub_scalar', lambda x, n: n - x, [0.1, -3.0])
with_number(g, 'mul_scalar', torch.mul, [0.1, -3.0, 1e-40])
with_number(g, 'div_scalar', torch.div, [0.1, -3.0, 7.0])
with_number(g, 'pow_scalar', torch.pow, [0.7, 2.0, 3.0, 0.5, -1.0, -2.0, -0.5, 1.0, 4.0])
g.write()
