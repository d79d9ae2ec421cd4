"""nll_loss, and the forms of cross_entropy that make_losses.py has not."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Input
from losses_golden import INF, Losses, NAN, REDUCTIONS, sparse

g = Losses(__file__)


def many(op, function, x, target, reduction, weight=None, ignore=None, smoothing=None, layout=''):
    more = {} if smoothing is None else {'label_smoothing': smoothing}
    index = -100 if ignore is None else ignore
    inputs = [x, Input(target, layout)] + ([] if weight is None else [weight])
    g.loss(op if weight is None else op + '_weighted',
         lambda a, t, w=None, reduction='mean': function(a, t, weight=w, ignore_index=index, reduction=reduction, **more),
         inputs, reduction, ignore_index=ignore, **more)


MANY = [([7, 5], 5), ([5], 5), ([2, 4, 3], 4), ([1, 3, 2, 3], 3), ([1, 2, 17], 2), ([1, 17, 2], 17), ([0, 3], 3), ([0, 3, 2], 3), ([2, 3, 0], 3)]
for dtype in FLOATS:
    for reduction in REDUCTIONS[:3]:
        for shape, count in MANY if reduction != 'sum' else MANY[1:3]:
            rows = shape[:1] * (len(shape) > 1) + shape[2:]
            w = g.input([count], dtype, grad=False, low=0, high=3)
            for op, function, more in (('nll_loss', F.nll_loss, {}), ('cross_entropy', F.cross_entropy, {}),
                                       ('cross_entropy', F.cross_entropy, {'smoothing': 0.1})):
                for weight in (None, w):
                    if op == 'nll_loss' or weight or len(shape) > 2:
                        many(op, function, g.input(shape, dtype), g.classes(rows, count, -100), reduction, weight, **more)
        w = g.input([4], dtype, 's=0', grad=False, low=0, high=3)
        for op, function, more in (('nll_loss', F.nll_loss, {}), ('cross_entropy', F.cross_entropy, {}),
                                   ('cross_entropy', F.cross_entropy, {'smoothing': 0.3})):
            for layout in ('t=0,1', 's=2', 'e=0') if sparse(dtype, reduction) else ():
                many(op, function, g.input([2, 4, 3], dtype, layout), g.classes([2, 3], 4), reduction, w, **more)
            many(op, function, g.input([3, 4, 2], dtype), g.classes([3, 2], 4), reduction, layout='t=0,1', **more)
            many(op, function, g.input([8, 4], dtype), g.classes([8], 4, -1, 7), reduction, w, **more)  # fails
            many(op, function, g.input([8, 4], dtype), g.classes([8], 4, -1), reduction, w, ignore=-1, **more)
            many(op, function, g.input([8, 4], dtype), g.classes([8], 4), reduction, None, ignore=2, **more)
            many(op, function, g.input([8, 4], dtype), g.classes([8], 4), reduction, w, ignore=0, **more)
            many(op, function, g.input([3, 4], dtype), torch.full([3], -100), reduction, w, **more)
            many(op, function, g.input([4], dtype), torch.tensor(-100), reduction, w, **more)
            many(op, function, g.input([3, 4], dtype, grad=False), g.classes([3], 4), reduction, w, **more)
            zero = Input(torch.tensor([0.0, 1.0, 0.0, 0.0], dtype=dtype), grad=False)
            many(op, function, g.input([3, 4], dtype), torch.tensor([0, 2, 3]), reduction, zero, **more)
        special = torch.tensor([[-INF, 1.0, 2.0], [0.5, -0.25, NAN], [1.0, 2.0, INF]], dtype=dtype)
        many('nll_loss', F.nll_loss, Input(special), torch.tensor([1, 0, 0]), reduction)
        many('nll_loss', F.nll_loss, Input(special), torch.tensor([0, 2, 2]), reduction)
        large = torch.tensor([[1000.0, 999.0, -1000.0, 0.0], [-1000.0, -1001.0, -999.5, -1e4], [88.0, 89.0, 0.0, 1e30]], dtype=dtype)
        many('cross_entropy', F.cross_entropy, Input(large[:, :, None].expand(3, 4, 2).contiguous()), g.classes([3, 2], 4), reduction, w)
        # Probabilities.
        for shape in ([3, 5], [5], [2, 4, 3], [1, 3, 2, 3], [2, 17], [0, 4], [2, 3, 0]) if reduction != 'sum' else ([2, 4, 3],):
            count = shape[len(shape) > 1]
            w = g.input([count], dtype, grad=False, low=0, high=3)
            for smoothing in (None, 0.2):
                for weight in (None, w):
                    many('cross_entropy', F.cross_entropy, g.input(shape, dtype), g.share(shape, dtype).values, reduction, weight,
                         smoothing=smoothing)
        for layout in ('t=0,1', 's=1', 'o=0') if sparse(dtype, reduction) else ():
            many('cross_entropy', F.cross_entropy, g.input([3, 4], dtype, layout), g.share([3, 4], dtype).values, reduction)
            many('cross_entropy', F.cross_entropy, g.input([3, 4], dtype), g.share([3, 4], dtype).values, reduction, layout=layout)
        many('cross_entropy', F.cross_entropy, Input(large), g.share([3, 4], dtype).values, reduction)
        g.loss('cross_entropy', F.cross_entropy, [g.input([3, 4], dtype, grad=False), g.share([3, 4], dtype)], reduction)
        g.loss('cross_entropy', F.cross_entropy, [g.input([3, 4], dtype, grad=False), g.share([3, 4], dtype, grad=False)], reduction)
    g.fails('cross_entropy', [g.input([3, 4], dtype), g.share([3, 4], dtype)], ignore_index=2)
    g.fails('cross_entropy', [g.input([3, 4], dtype), g.share([4, 3], dtype)])
    for op in ('nll_loss', 'cross_entropy'):
        for x, target in (([2, 5, 3], [2, 4]), ([2, 5, 3], [3, 3]), ([2, 5, 3], [2, 5, 3]), ([2, 5, 3], [2]), ([], []), ([5], [1])):
            g.fails(op, [g.input(x, dtype), Input(torch.zeros(target, dtype=torch.int64))])
        for number in (4, -1, 2**40):
            g.fails(op, [g.input([2, 4, 3], dtype), Input(torch.tensor([[0, 1, 2], [3, number, 0]]))])
        g.fails(op, [g.input([3, 4], dtype), Input(torch.zeros(3, dtype=torch.int32))])
        g.fails(op, [g.input([3, 4], torch.int64), Input(torch.zeros(3, dtype=torch.int64))])
        g.fails(op, [g.input([3, 4], dtype), Input(torch.zeros(3, dtype=torch.int64))], reduction=3)
        for weight in (g.input([3], dtype), g.input([4, 1], dtype), g.input([], dtype), g.input([4], torch.int64)):
            g.fails(op + '_weighted', [g.input([3, 4], dtype), Input(torch.zeros(3, dtype=torch.int64)), weight])
    g.fails('cross_entropy_weighted', [g.input([3, 4], dtype), g.share([3, 4], dtype), g.input([3], dtype)])

g.write()
