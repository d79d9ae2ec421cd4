"""matmul linear linear_no_bias."""
import torch
import torch.nn.functional as F

from golden import DTYPES, FLOATS, INTEGERS, Golden, Input, Same

INF, NAN = float('inf'), float('nan')
SHAPES = [
    ([3], [3]), ([1], [1]), ([33], [33]), ([3, 5], [5]), ([5], [5, 3]), ([1, 1], [1, 1]), ([3, 5], [5, 7]),
    ([1, 5], [5, 1]), ([5, 1], [1, 5]), ([17, 3], [3, 1]), ([1, 17], [17, 33]), ([7, 33], [33, 5]), ([17, 17], [17, 17]),
    ([2, 3, 5], [5, 7]), ([3, 5], [2, 5, 7]), ([2, 3, 5], [2, 5, 7]), ([2, 3, 5], [1, 5, 7]), ([1, 3, 5], [2, 5, 1]),
    ([2, 3, 5], [5]), ([5], [2, 5, 3]), ([2, 1, 3, 5], [4, 5, 2]), ([3, 1, 1, 2], [1, 2, 2, 3]), ([1, 2, 3], [3, 1, 3, 2]),
    ([2, 1, 2, 1, 2], [1, 3, 1, 2, 3]),
    ([0], [0]), ([0, 3], [3, 5]), ([3, 0], [0, 5]), ([3, 5], [5, 0]), ([0, 3], [3]), ([3, 0], [0]), ([0], [0, 3]),
    ([3], [3, 0]), ([0, 2, 3], [3, 4]), ([2, 3, 0], [2, 0, 4]), ([2, 0, 3], [3, 4]), ([0, 2, 3], [0, 3, 1]),
]
WRONG = [([], [3]), ([3], []), ([3], [4]), ([3, 5], [3, 5]), ([3, 5], [3]), ([3], [4, 3]), ([2, 3, 5], [3, 5, 7]),
         ([2, 3, 5], [2, 4, 7])]
LAYOUTS = [
    ([3, 5], 't=0,1', [5, 7], ''), ([3, 5], '', [5, 7], 't=0,1'), ([3, 5], 't=0,1', [5, 7], 't=0,1'),
    ([3, 5], 's=0', [5, 7], 's=1'), ([3, 5], 'o=1', [5, 7], 'o=0'), ([3, 5], 'e=0', [5, 7], 'e=1'), ([5], 's=0', [5, 3], ''),
    ([3, 5], 't=0,1', [5], 's=0'), ([2, 3, 5], 't=0,2', [2, 5, 3], 't=1,2'), ([2, 3, 5], 't=0,1', [5, 3], ''),
    ([2, 3, 5], 'e=0', [2, 5, 3], 's=0'), ([7, 33], 't=0,1', [33, 7], 't=0,1'),
]


def small(g, shape, dtype, layout=''):
    """Whole numbers: every sum is exact."""
    return Input(torch.randint(-3, 4, shape, generator=g.random).to(dtype), layout)


g = Golden(__file__)
for dtype in FLOATS:
    for a, b in SHAPES + WRONG:
        if dtype == torch.float64 and 17 in a + b and 1 not in a + b:
            continue  # long lines for plain loops
        g.case('matmul', torch.matmul, [g.input(a, dtype), g.input(b, dtype)])
    for a, a_layout, b, b_layout in LAYOUTS:
        g.case('matmul', torch.matmul, [g.input(a, dtype, a_layout), g.input(b, dtype, b_layout)])
    for a_grad, b_grad in ((True, False), (False, True), (False, False)):
        for a, b in (([3, 5], [5, 7]), ([2, 3, 5], [5, 7]), ([5], [5]), ([2, 3, 5], [2, 5, 1])):
            g.case('matmul', torch.matmul, [g.input(a, dtype, grad=a_grad), g.input(b, dtype, grad=b_grad)])
    g.case('matmul', torch.matmul, [g.input([5, 5], dtype), Same(0)])
    g.case('matmul', torch.matmul, [g.input([7], dtype), Same(0)])
    some = torch.tensor([[1.0, INF], [NAN, 2.0]], dtype=dtype)
    g.case('matmul', torch.matmul, [Input(some), Input(torch.tensor([[1.0, 0.0, 2.0], [1.0, 1.0, -1.0]], dtype=dtype))])
    # The kernels' blocks and edges; float64 has plain loops.
    for m, k, n in ((33, 65, 49), (1, 100, 70), (48, 32, 64), (50, 1, 31)) if dtype == torch.float32 else ((9, 33, 17),):
        up = torch.randint(-3, 4, (m, n), generator=g.random).to(dtype)
        g.case('matmul', torch.matmul, [small(g, [m, k], dtype), small(g, [k, n], dtype)], upstream=up)
for dtype in INTEGERS:
    for a, b in SHAPES:
        g.case('matmul', torch.matmul, [g.input(a, dtype), g.input(b, dtype)])
    g.case('matmul', torch.matmul, [g.input([3, 5], dtype, 't=0,1'), g.input([5, 7], dtype, 's=1')])
for a in DTYPES:
    for b in DTYPES:
        if a != b or a == torch.bool:
            g.fails('matmul', [g.input([2, 2], a), g.input([2, 2], b)])

LINEAR = [  # x, in and out features
    ([5], 5, 3), ([3, 5], 5, 7), ([1, 1], 1, 1), ([33, 1], 1, 16), ([32, 16], 16, 1), ([17, 3], 3, 17), ([7, 33], 33, 5),
    ([2, 3, 5], 5, 4), ([2, 1, 3, 2], 2, 3), ([0, 5], 5, 3), ([2, 0, 5], 5, 3), ([3, 5], 5, 1), ([5, 17], 17, 20),
    ([48, 1], 1, 17), ([3, 20], 20, 1), ([3, 0], 0, 2),
]
for dtype in FLOATS:
    for shape, i, o in LINEAR:
        g.case('linear', F.linear, [g.input(shape, dtype), g.input([o, i], dtype), g.input([o], dtype)])
        g.case('linear_no_bias', F.linear, [g.input(shape, dtype), g.input([o, i], dtype)])
    for x, w, b in (('t=0,1', '', ''), ('', 't=0,1', ''), ('s=1', 's=0', 's=0'), ('e=0', 'o=1', 'o=0')):
        g.case('linear', F.linear, [g.input([3, 5], dtype, x), g.input([7, 5], dtype, w), g.input([7], dtype, b)])
        g.case('linear_no_bias', F.linear, [g.input([3, 5], dtype, x), g.input([7, 5], dtype, w)])
    g.case('linear', F.linear, [g.input([2, 3, 5], dtype, 't=0,1'), g.input([7, 5], dtype), g.input([7], dtype)])
    for grads in range(8):
        inputs = [g.input(s, dtype, grad=bool(grads >> k & 1)) for k, s in enumerate(([3, 5], [7, 5], [7]))]
        g.case('linear', F.linear, inputs)
        if grads < 4:
            g.case('linear_no_bias', F.linear, inputs[:2])
    for x, w, b in (([3, 4], [7, 5], [7]), ([3, 5], [7, 5], [6]), ([3, 5], [7, 5], [1, 2])):  # fail
        g.case('linear', F.linear, [g.input(x, dtype), g.input(w, dtype), g.input(b, dtype)])
    g.case('linear_no_bias', F.linear, [g.input([3, 4], dtype), g.input([7, 5], dtype)])
    g.case('linear', F.linear, [g.input([2, 2], dtype), g.input([2, 2], torch.int64), g.input([2], dtype)])
    g.case('linear_no_bias', F.linear, [g.input([2, 2], torch.int64), g.input([2, 2], dtype)])
g.write()
