"""cat stack index_select gather."""
import torch

from golden import DTYPES, FLOATS, Golden, Input, Same

g = Golden(__file__)


def join(op, function):
    cases = [([3, 5], [3, 5], 0), ([3, 5], [3, 5], 1), ([3, 5], [3, 5], -1), ([3, 5], [3, 5], -2), ([7], [7], 0),
             ([2, 3, 5], [2, 3, 5], 1), ([0], [0], 0), ([0, 3], [0, 3], 0), ([3, 0], [3, 0], 1), ([17, 1], [17, 1], 1)]
    if op == 'cat':
        cases += [([3, 5], [1, 5], 0), ([3, 5], [3, 1], 1), ([2, 3, 5], [2, 1, 5], 1), ([2, 3, 5], [2, 3, 7], 2),
                  ([0, 5], [3, 5], 0), ([3, 5], [3, 0], 1), ([33], [17], 0), ([0], [3, 5], 0), ([3, 5], [0], 1),
                  ([3, 5], [3, 4], 0), ([3, 5], [3], 0), ([3, 5], [3, 5], 2), ([3, 5], [3, 5], -3), ([], [], 0), ([2], [], 0)]
    else:
        cases += [([], [], 0), ([], [], -1), ([3, 5], [3, 5], 2), ([3, 5], [3, 5], -3), ([1], [1], 1),
                  ([3, 5], [3, 4], 0), ([3], [3, 1], 0), ([3, 5], [3, 5], 3), ([3, 5], [3, 5], -4)]
    for number, (a, b, dim) in enumerate(cases):
        for dtype in DTYPES:
            if dtype in FLOATS or number % 4 == DTYPES.index(dtype) % 4:
                g.case(op, lambda *x: function(x, dim), [g.input(a, dtype), g.input(b, dtype)], dim=dim)
    for dtype in FLOATS:
        def case(*inputs, dim):
            g.case(op, lambda *x: function(x, dim), list(inputs), dim=dim)
        one = g.input([3, 5], dtype)
        for dim in (0, 1):
            case(one, dim=dim)
            case(one, Same(0), g.input([3, 5], dtype), Same(0), dim=dim)
            case(g.input([3, 5], dtype, grad=False), one, dim=dim)
            case(one, g.input([3, 5], dtype, grad=False), g.input([3, 5], dtype, grad=False), dim=dim)
            case(g.input([3, 5], dtype, 't=0,1'), g.input([3, 5], dtype, 's=1'), g.input([3, 5], dtype, 's=0'), dim=dim)
            case(g.input([3, 5], dtype, 'e=0'), g.input([3, 5], dtype, 'o=1'), g.input([3, 5], dtype, 'e=1'), dim=dim)
        case(*[g.input([2, 3], dtype) for _ in range(6)], dim=1)
        case(g.input([3, 5], dtype, grad=False), g.input([3, 5], dtype, grad=False), dim=0)
    for a in DTYPES:
        for b in DTYPES:
            if a != b:
                g.case(op, lambda *x: function(x, 0), [g.input([2], a), g.input([2], b)], dim=0)
    g.case(op, lambda *x: function(x, 0), [g.input([2], torch.uint8), g.input([2], torch.bool), g.input([2])], dim=0)


join('cat', torch.cat)
join('stack', torch.stack)

INT64, INT32 = torch.int64, torch.int32
PICKS = [  # shape, layout, dimension, positions
    ([3, 5], '', 0, [2, 0]), ([3, 5], '', 1, [4, 4, 0, 1, 4]), ([3, 5], '', -1, [1]), ([3, 5], '', 0, []), ([7], '', 0, [6, 0, 3]),
    ([2, 3, 5], '', 1, [2, 2, 1, 0]), ([2, 3, 5], '', -3, [1, 1]), ([33, 2], '', 0, [32, 1, 17]), ([1], '', 0, [0, 0, 0]),
    ([3, 0], '', 0, [1, 2]), ([0, 3], '', 1, [2]), ([0], '', 0, []), ([3, 5], 't=0,1', 0, [1, 0]), ([3, 5], 't=0,1', 1, [3, 3]),
    ([3, 5], 's=1', 1, [0, 4]), ([5, 3], 's=0', 0, [4, 4, 0]), ([3, 5], 'e=0', 0, [1, 2]), ([2, 3, 5], 't=0,2', 1, [0, 2]),
    ([], '', 0, [0]), ([17, 3], '', 0, [5] * 7),
    ([3, 5], '', 0, [0, 3]), ([3, 5], '', 0, [-1]), ([3, 5], '', 2, [0]), ([0, 3], '', 0, [0]), ([3, 5], '', -3, [0]),
]
for number, (shape, layout, dim, picks) in enumerate(PICKS):
    for dtype in DTYPES:
        for kind in (INT64, INT32):
            if dtype == torch.float32 or number % 6 == DTYPES.index(dtype):
                g.case('index_select', lambda x, i: torch.index_select(x, dim, i),
                       [g.input(shape, dtype, layout), Input(torch.tensor(picks, dtype=kind))], dim=dim)
for dtype in FLOATS:
    g.case('index_select', lambda x, i: torch.index_select(x, 0, i),
           [g.input([3, 5], dtype), Input(torch.tensor([2, 0, 1, 2]), 's=0')], dim=0)
    g.case('index_select', lambda x, i: torch.index_select(x, 0, i),
           [g.input([3, 5], dtype, grad=False), Input(torch.tensor([1]))], dim=0)
g.fails('index_select', [g.input([3, 5]), Input(torch.tensor([[0, 1]]))], dim=0)
for wrong in (torch.float32, torch.uint8, torch.bool):
    g.fails('index_select', [g.input([3, 5]), Input(torch.tensor([0, 1]).to(wrong), grad=False)], dim=0)

GATHERS = [  # shape, layout, dimension, shape and layout of the index
    ([3, 5], '', 0, [3, 5], ''), ([3, 5], '', 1, [3, 5], ''), ([3, 5], '', -1, [3, 1], ''), ([3, 5], '', 0, [7, 5], ''),
    ([3, 5], '', 1, [2, 9], ''), ([3, 5], '', 0, [1, 2], ''), ([7], '', 0, [3], ''), ([7], '', 0, [0], ''), ([3, 5], '', 1, [0, 4], ''),
    ([2, 3, 5], '', 1, [2, 4, 5], ''), ([2, 3, 5], '', -3, [3, 1, 2], ''), ([2, 3, 5], '', 2, [2, 3, 1], ''), ([33, 2], '', 0, [17, 2], ''),
    ([3, 5], 't=0,1', 0, [2, 5], ''), ([3, 5], 't=0,1', 1, [3, 2], ''), ([3, 5], 's=1', 1, [3, 3], ''), ([3, 5], '', 0, [3, 5], 't=0,1'),
    ([3, 5], '', 1, [3, 3], 's=1'), ([3, 5], 'e=0', 0, [2, 5], ''), ([], '', 0, [], ''), ([1], '', 0, [17], ''),
]
for number, (shape, layout, dim, picked, picked_layout) in enumerate(GATHERS):
    for dtype in DTYPES:
        if dtype in FLOATS or number % 4 == DTYPES.index(dtype) % 4:
            size = shape[dim] if shape else 1
            index = torch.randint(0, size, picked, generator=g.random)
            g.case('gather', lambda x, i: torch.gather(x, dim, i), [g.input(shape, dtype, layout), Input(index, picked_layout)],
                   dim=dim)
WRONG = [([3, 5], 0, [[0, 3]]), ([3, 5], 1, [[-1]]), ([3, 5], 0, [0]), ([3, 5], 1, [[0]] * 4), ([3, 5], 2, [[0]]), ([3], -2, [0])]
for shape, dim, index in WRONG:
    g.case('gather', lambda x, i: torch.gather(x, dim, i), [g.input(shape), Input(torch.tensor(index))], dim=dim)
g.write()
