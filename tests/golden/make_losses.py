"""mse_loss l1_loss cross_entropy."""
import warnings

import torch
import torch.nn.functional as F

from golden import FLOATS, INTEGERS, Golden, Input, Same

INF, NAN = float('inf'), float('nan')
REDUCTIONS = ('mean', 'sum', 'none')
warnings.filterwarnings('ignore', message='Using a target size')

g = Golden(__file__)


# ---- elementwise ----

SHAPES = [
    ([3, 5], [3, 5]), ([], []), ([1], [1]), ([7], [7]), ([15], [15]), ([16], [16]), ([17], [17]), ([33], [33]), ([65], [65]),
    ([2, 3, 5], [2, 3, 5]), ([2, 1, 3, 2], [2, 1, 3, 2]),
    ([3, 5], [5]), ([5], [3, 5]), ([3, 1], [3]), ([3], [3, 1]), ([3, 5], []), ([], [3, 5]), ([1], [7]), ([3, 1], [1, 5]),
    ([2, 1, 5], [3, 1]), ([2, 3, 5], [1, 5]), ([17, 1], [17, 3]),
    ([0], [0]), ([3, 0], [3, 0]), ([0], [1]), ([1, 5], [0, 5]), ([0, 3], []),
    ([3], [4]), ([3, 5], [3]), ([2, 3], [3, 2]), ([0], [2]),  # fail
]
LAYOUTS = [('t=0,1', ''), ('', 't=0,1'), ('t=0,1', 't=0,1'), ('s=1', ''), ('', 's=0'), ('o=0', 'o=1'), ('e=0', ''),
           ('', 'e=1'), ('e=0', 'e=0')]


def by_formula(op):
    """Torch 1.13 has no backward for the mean squared error of two types."""
    def loss(a, b, reduction):
        d = (a - b) * (a - b) if op == 'mse_loss' else (a - b).abs()
        return d.mean() if reduction == 'mean' else d.sum() if reduction == 'sum' else d
    return loss


def elementwise(op, function):
    def case(a, b, reduction, function=function):
        g.case(op, lambda x, y: function(x, y, reduction=reduction), [a, b], reduction=REDUCTIONS.index(reduction))

    for dtype in FLOATS:
        for reduction in REDUCTIONS:
            for a, b in SHAPES:
                if dtype == torch.float64 and max(a + b + [0]) > 16:
                    continue  # float64 has plain loops
                case(g.input(a, dtype), g.input(b, dtype), reduction)
            for a, b in LAYOUTS:
                case(g.input([3, 5], dtype, a), g.input([3, 5], dtype, b), reduction)
            case(g.input([3, 5], dtype, 't=0,1'), g.input([5], dtype, 's=0'), reduction)
            for a, b in ((True, False), (False, True), (False, False)):
                case(g.input([17], dtype, grad=a), g.input([17], dtype, grad=b), reduction)
                case(g.input([3, 5], dtype, grad=a), g.input([5], dtype, grad=b), reduction)
                case(g.input([3, 5], dtype, 's=1', grad=a), g.input([3, 5], dtype, grad=b), reduction)
            case(g.input([17], dtype), Same(0), reduction)
            case(g.input([3, 5], dtype, 't=0,1'), Same(0), reduction)
            some = torch.tensor([INF, -INF, INF, NAN, 1.0, NAN, 0.0, -0.0, 2.0, 1e-30, 3e18], dtype=dtype)
            other = torch.tensor([1.0, -INF, -INF, 1.0, NAN, NAN, -0.0, 0.0, 2.0, -1e-30, -3e18], dtype=dtype)
            case(Input(some), Input(other), reduction)
            finite = torch.isfinite(some) & torch.isfinite(other)
            case(Input(some[finite]), Input(other[finite]), reduction)
            case(Input(torch.full([3], 1e25, dtype=dtype)), Input(torch.zeros(3, dtype=dtype)), reduction)
    for reduction in REDUCTIONS:
        for a, b in ((torch.float32, torch.float64), (torch.float64, torch.float32)):
            for sizes in ([3, 5], [5]):
                case(g.input([3, 5], a), g.input(sizes, b), reduction, by_formula(op))
        for whole in INTEGERS:
            case(g.input([3, 5], torch.float32), g.input([3, 5], whole), reduction, by_formula(op))
            case(g.input([3, 5], whole), g.input([3, 5], torch.float64), reduction, by_formula(op))
        g.fails(op, [g.input([2], torch.float32), g.input([2], torch.bool)], reduction=REDUCTIONS.index(reduction))
        g.fails(op, [g.input([2], torch.bool), g.input([2], torch.bool)], reduction=REDUCTIONS.index(reduction))
    for number in (3, -1):
        for sizes in ([3, 5], [5]):
            g.fails(op, [g.input([3, 5]), g.input(sizes)], reduction=number)


elementwise('mse_loss', F.mse_loss)
elementwise('l1_loss', F.l1_loss)


# ---- cross entropy ----

def classes(shape, count, *others):
    """Class numbers; `others` are put at every third place from the second on, in turns."""
    t = torch.randint(0, max(count, 1), shape, generator=g.random)
    for n in range(1, t.numel() if others else 0, 3):
        t[n] = others[n // 3 % len(others)]
    return t


def entropy(x, target, reduction='mean', ignore=None, smoothing=0.0, layout=''):
    g.case('cross_entropy',
           lambda a, t: F.cross_entropy(a, t, reduction=reduction, ignore_index=-100 if ignore is None else ignore,
                                        label_smoothing=smoothing),
           [x, Input(target, layout)], reduction=REDUCTIONS.index(reduction), ignore_index=ignore,
           label_smoothing=smoothing if smoothing else None)


for dtype in FLOATS:
    for reduction in REDUCTIONS:
        for smoothing in (0.0, 0.1):
            for rows, count in ((1, 1), (5, 1), (7, 3), (17, 2), (1, 33), (9, 17), (3, 65)):
                if dtype == torch.float64 and count > 16:
                    continue
                entropy(g.input([rows, count], dtype), classes([rows], count), reduction, smoothing=smoothing)
            for count in (1, 2, 5, 33):
                entropy(g.input([count], dtype), classes([], count), reduction, smoothing=smoothing)
            entropy(g.input([0, 5], dtype), classes([0], 5), reduction, smoothing=smoothing)
            # Ignored rows: by the default number, by one of the user's, by the number of a class.
            entropy(g.input([8, 5], dtype), classes([8], 5, -100), reduction, smoothing=smoothing)
            entropy(g.input([8, 5], dtype), classes([8], 5, -1), reduction, -1, smoothing)
            entropy(g.input([3, 5], dtype), classes([3], 5, 99), reduction, 99, smoothing)
            entropy(g.input([7, 3], dtype), classes([7], 3), reduction, 0, smoothing)
            entropy(g.input([3, 5], dtype), torch.full([3], -100), reduction, smoothing=smoothing)
            entropy(g.input([5], dtype), torch.tensor(-100), reduction, smoothing=smoothing)
            entropy(g.input([5], dtype), torch.tensor(3), reduction, 3, smoothing)
        for smoothing in (0.75, 1.0):
            entropy(g.input([3, 5], dtype), classes([3], 5, -100), reduction, smoothing=smoothing)
            entropy(g.input([5], dtype), classes([], 5), reduction, smoothing=smoothing)
        for layout in ('t=0,1', 's=0', 's=1', 'o=0', 'o=1', 'e=0', 'e=1'):
            entropy(g.input([7, 3], dtype, layout), classes([7], 3, -100), reduction, smoothing=0.1)
        entropy(g.input([5], dtype, 's=0'), classes([], 5), reduction)
        entropy(g.input([7, 3], dtype), classes([7], 3), reduction, layout='s=0')
        entropy(g.input([7, 3], dtype), classes([7], 3), reduction, layout='o=0')
        entropy(g.input([7, 3], dtype), torch.full([7], 2), reduction, layout='e=0')
        entropy(g.input([7, 3], dtype, 't=0,1'), classes([7], 3), reduction, layout='s=0')
        entropy(g.input([3, 5], dtype, grad=False), classes([3], 5), reduction)
        # Logits that overflow exp, that are lost beside a larger one, and that are no numbers.
        for row in ([1000.0, 999.0, -1000.0], [-1000.0, -1001.0, -999.5], [88.0, 89.0, 0.0], [1e30, 0.0, 1.0], [3.0, 3.0, 3.0],
                    [INF, 1.0, 2.0], [-INF, 1.0, 2.0], [-INF, -INF, -INF], [NAN, 1.0, 2.0], [1.0, NAN, 2.0], [1.0, 2.0, NAN]):
            for target in range(3) if dtype == torch.float32 else (1,):
                entropy(Input(torch.tensor([row, [0.5, -0.25, 1.0]], dtype=dtype)), torch.tensor([target, 1]), reduction)
        entropy(Input(torch.tensor([[-INF, 1.0, 2.0], [0.5, -INF, 1.0]], dtype=dtype)), torch.tensor([1, 1]), reduction,
                smoothing=0.1)
        # Classes out of range.
        for target in ([0, 5, 1], [5, 0, 0], [0, 0, -1], [0, 0, 2**40], [-100, 0, 7]):
            g.fails('cross_entropy', [g.input([3, 5], dtype), Input(torch.tensor(target))],
                    reduction=REDUCTIONS.index(reduction))
        g.fails('cross_entropy', [g.input([3, 5], dtype), Input(torch.tensor([0, -100, 1]))], ignore_index=1)
        g.fails('cross_entropy', [g.input([5], dtype), Input(torch.tensor(5))])
        g.fails('cross_entropy', [g.input([3, 0], dtype), Input(torch.tensor([0, 0, 0]))])
    for smoothing in (-0.1, 1.1, NAN):
        g.fails('cross_entropy', [g.input([3, 5], dtype), Input(classes([3], 5))], label_smoothing=smoothing)
    for x, target in (([3, 5], [4]), ([3, 5], []), ([3, 5], [3, 1]), ([5], [1]), ([5], [5]), ([], []), ([2, 5, 3], [2, 4]),
                      ([3, 5], [5])):
        g.fails('cross_entropy', [g.input(x, dtype), Input(torch.zeros(target, dtype=torch.int64))])
    for wrong in (torch.int32, torch.uint8, torch.bool, torch.float32, torch.float64):
        g.fails('cross_entropy', [g.input([3, 5], dtype), Input(torch.zeros(3, dtype=wrong))])
    g.fails('cross_entropy', [g.input([3, 5], torch.int64), Input(torch.zeros(3, dtype=torch.int64))])
    for number in (3, -1):
        g.fails('cross_entropy', [g.input([3, 5], dtype), Input(classes([3], 5))], reduction=number)
g.write()
