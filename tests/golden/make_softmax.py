"""softmax log_softmax."""
import torch

from golden import FLOATS, INTEGERS, Golden, Input

INF, NAN = float('inf'), float('nan')

g = Golden(__file__)


def softmax(op, function):
    def case(x, dim, **more):
        g.case(op, lambda a: function(a, dim), [x], dim=dim, **more)

    for dtype in FLOATS:
        # Rows of every kind of length: few elements, one vector, several; and in groups that are not full.
        for rows, n in ((1, 1), (17, 1), (5, 2), (19, 3), (17, 4), (1, 5), (7, 5), (9, 10), (9, 16), (3, 17), (9, 33) if dtype == torch.float32 else (2, 33)):
            case(g.input([rows, n], dtype, low=-5, high=5), 1)
        for shape, dim in (([], 0), ([], -1), ([7], 0), ([33], -1), ([5, 3], 0), ([3, 33], 0), ([2, 3, 5], 1), ([2, 3, 17], 1),
                           ([2, 3, 5], -3), ([2, 3, 2, 3], 2), ([2, 1, 3, 2], 1), ([2, 65, 1], 1),
                           ([0], 0), ([0, 3], 0), ([0, 3], 1), ([3, 0], 0), ([3, 0], 1), ([2, 0, 3], 2)):
            case(g.input(shape, dtype), dim)
        for layout in ('t=0,1', 's=0', 's=1', 'o=0', 'o=1', 'e=0', 'e=1'):
            case(g.input([4, 3], dtype, layout), 0)
            case(g.input([4, 3], dtype, layout), 1)
        case(g.input([7, 5], dtype, grad=False), 1)
        # Beyond the range of exp, one far above the others (the powers that are not quite 0 still are normal numbers), and what is
        # no number.
        rows = [[1000.0, 999.0, -1000.0, 998.5, 0.0], [-1000.0, -1001.0, -999.5, -1000.0, -1060.0], [88.0, 89.0, 2.0, 3.0, 50.0],
                [1e30, 0.0, 1.0, 1e30, -1e30], [3.0] * 5, [INF, 1.0, 2.0, 0.0, 0.0], [-INF, 1.0, 2.0, -INF, 3.0], [-INF] * 5,
                [NAN, 1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0, NAN], [0.0, -0.0, 1e-30, 80.0, -5.0]]
        some = torch.tensor(rows, dtype=dtype)
        for x, dim in ((some, 1), (some.t().contiguous(), 0), (some.repeat(1, 4)[:8], 1), (some[:, :3].contiguous(), 1)):
            case(Input(x), dim, upstream=torch.linspace(-1, 1, x.numel(), dtype=torch.float64).reshape(x.shape).to(dtype))
        for shape, dim in (([3, 5], 2), ([3, 5], -3), ([], 1), ([], -2)):
            case(g.input(shape, dtype), dim)
    for dtype in INTEGERS + (torch.bool,):
        g.fails(op, [g.input([3], dtype)], dim=0)


softmax('softmax', torch.softmax)
softmax('log_softmax', torch.log_softmax)
g.write()
