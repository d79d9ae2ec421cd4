"""eq ne lt le gt ge where."""
import torch

from golden import DTYPES, FLOATS, INTEGERS, Golden, Input, Same

INF, NAN = float('inf'), float('nan')
PAIRS = [([3, 5], [3, 5]), ([3, 5], [5]), ([3, 1], [1, 5]), ([], [7]), ([33], []), ([], []), ([2, 1, 3], [4, 1]),
         ([1], [1, 1]), ([0], [1]), ([0, 3], [3])]


def few(g, shape, dtype, layout='', grad=None):
    """Values with many equal ones."""
    return g.input(shape, dtype, layout, grad, low=0, high=3) if not dtype.is_floating_point else \
        Input(torch.round(g.values(shape, dtype)), layout, grad)


def comparison(g, op, function):
    for dtype in FLOATS + (torch.int64, torch.uint8):
        for a, b in PAIRS:
            g.case(op, function, [few(g, a, dtype), few(g, b, dtype)])
        g.case(op, function, [few(g, [3, 5], dtype, 't=0,1'), few(g, [3, 5], dtype, 's=1')])
        g.case(op, function, [few(g, [17], dtype), Same(0)])
        g.case(op, function, [few(g, [3, 5], dtype), few(g, [3, 4], dtype)])  # fails
    some = torch.tensor([-1.0, -0.0, 0.0, 1.0, 1e-40, INF, -INF, NAN], dtype=torch.float64)
    for dtype in FLOATS:
        g.case(op, function, [Input(some.to(dtype)[:, None].expand(8, 8).reshape(-1)), Input(some.to(dtype).repeat(8))])
    for a in DTYPES:
        for b in DTYPES:
            for a_shape, b_shape in (([3], [3]), ([], [2]), ([2], [])):
                g.case(op, function, [few(g, a_shape, a), few(g, b_shape, b)])
    # Beyond 2^53 only the integers themselves tell the difference; against a float both become floats.
    large = torch.tensor([2**53, 2**53 + 1, -(2**63)])
    g.case(op, function, [Input(large), Input(torch.tensor([2**53 + 1, 2**53 + 1, 2**63 - 1]))])
    g.case(op, function, [Input(large), Input(torch.tensor([2.0**53, 2.0**53, 0.5]))])
    g.case(op, function, [Input(torch.tensor([1, 2])), Input(torch.tensor(1.5))])
    g.case(op, function, [Input(torch.tensor([0.1])), Input(torch.tensor(0.1, dtype=torch.float64))])


def condition(g, shape, layout=''):
    return g.input(shape, torch.bool, layout)


g = Golden(__file__)
for name in ('eq', 'ne', 'lt', 'le', 'gt', 'ge'):
    comparison(g, name, getattr(torch, name))
for dtype in DTYPES:
    for c, a, b in (([3, 5], [3, 5], [3, 5]), ([5], [3, 1], [3, 5]), ([3, 1], [5], []), ([], [7], [7]), ([7], [], []),
                    ([], [], []), ([2, 1, 3], [4, 1], [1]), ([33], [33], [1]), ([0], [1], []), ([3, 0], [3, 1], [1]),
                    ([1], [17], [17])):
        g.case('where', torch.where, [condition(g, c), g.input(a, dtype), g.input(b, dtype)])
    g.case('where', torch.where, [condition(g, [3, 5], 't=0,1'), g.input([3, 5], dtype, 's=1'), g.input([5], dtype, 's=0')])
    g.case('where', torch.where, [condition(g, [3, 5], 's=0'), g.input([3, 5], dtype, 'e=0'), g.input([3, 5], dtype, 't=0,1')])
    g.case('where', torch.where, [condition(g, [3]), g.input([4], dtype), g.input([4], dtype)])  # fails
for dtype in FLOATS:
    some = torch.tensor([NAN, INF, -0.0, 1.0], dtype=dtype)
    mask = torch.tensor([True, False, True, False])
    g.case('where', torch.where, [Input(mask), Input(some), Input(some.flip(0))])
    g.case('where', torch.where, [Input(mask), Input(some), Same(1)])
    for grads in ((True, False), (False, True), (False, False)):
        g.case('where', torch.where, [condition(g, [3, 5]), g.input([5], dtype, grad=grads[0]),
                                      g.input([3, 1], dtype, grad=grads[1])])
for a in DTYPES:
    for b in DTYPES:
        if a != b:
            for a_shape, b_shape in (([3], [3]), ([], [3]), ([3], [])):
                g.case('where', torch.where, [condition(g, [3]), g.input(a_shape, a), g.input(b_shape, b)])
for dtype in FLOATS + INTEGERS[:2]:  # only bool chooses
    g.case('where', torch.where, [g.input([3], dtype, grad=False), g.input([3]), g.input([3])])
g.write()
