"""Losses of a difference and of two classes."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Input, Same
from losses_golden import INF, LAYOUTS, Losses, NAN, REDUCTIONS, SHAPES, sparse

g = Losses(__file__)


# ---- of a difference ----

def difference(op, function, key, values):
    for dtype in FLOATS:
        for reduction in REDUCTIONS[:3]:
            for value in values:
                parameters = {} if value is None else {key: value}
                bound = (lambda a, b, reduction, p=parameters: function(a, b, reduction=reduction, **p))
                shapes = SHAPES if value is None and reduction != 'sum' else SHAPES[:1] + SHAPES[5:6]
                for a, b in shapes:
                    g.loss(op, bound, [g.input(a, dtype), g.input(b, dtype)], reduction, **parameters)
                for a, b in LAYOUTS if value is None and sparse(dtype, reduction) else []:
                    g.loss(op, bound, [g.input([3, 5], dtype, a), g.input([3, 5], dtype, b)], reduction, **parameters)
                # On the bounds, beyond them, equal, and what is no number.
                some = torch.tensor([1.0, -1.0, 0.5, -0.5, 0.0, 2.0, -2.0, 1e-30, 3e18, INF, -INF, NAN], dtype=dtype)
                # Torch 1.13 has a slope of -1 for both inputs where they are equal and beta is 0; it is 0.
                if value == 0:
                    bound = F.l1_loss
                g.loss(op, bound, [Input(some), Input(torch.zeros_like(some))], reduction, **parameters)
                g.loss(op, bound, [Input(some[:9]), Input(torch.zeros_like(some[:9]))], reduction, **parameters)
                g.loss(op, bound, [g.input([17], dtype), Same(0)], reduction, **parameters)
        g.loss(op, function, [g.input([5], dtype, grad=False), g.input([5], dtype)], 'mean')
        g.loss(op, function, [g.input([5], dtype), g.input([5], dtype, grad=False)], 'none')
        g.loss(op, function, [g.input([5], dtype, grad=False), g.input([5], dtype, grad=False)], 'sum')
    # A type for both.
    g.loss(op, lambda a, b, reduction: function(a.double(), b, reduction=reduction),
         [g.input([3, 5], torch.float32), g.input([5], torch.float64)], 'mean')
    g.loss(op, lambda a, b, reduction: function(a, b.double(), reduction=reduction),
         [g.input([5], torch.float64), g.input([5], torch.int64)], 'none')
    g.fails(op, [g.input([3]), g.input([3], torch.bool)])
    g.fails(op, [g.input([3], torch.int64), g.input([3], torch.int64)])
    g.fails(op, [g.input([3]), g.input([3])], reduction=3)


difference('smooth_l1_loss', F.smooth_l1_loss, 'beta', (None, 0.5, 0.0, 2.0))
difference('huber_loss', F.huber_loss, 'delta', (None, 0.5, 2.0))
for dtype in FLOATS:
    g.fails('smooth_l1_loss', [g.input([3], dtype), g.input([3], dtype)], beta=-1.0)
    g.fails('huber_loss', [g.input([3], dtype), g.input([3], dtype)], delta=0.0)
    g.fails('huber_loss', [g.input([3], dtype), g.input([3], dtype)], delta=-1.0)


# ---- of two classes ----

def bce_with_target(x, target, reduction, weight=None):
    """Torch 1.13 has a derivative by the target in no version of its formula; this is the formula."""
    y = -(target * x.log().clamp(min=-100) + (1 - target) * (1 - x).log().clamp(min=-100))
    y = y if weight is None else y * weight
    return y.mean() if reduction == 'mean' else y.sum() if reduction == 'sum' else y


TWO = [[3, 5], [], [1], [17], [2, 3, 5], [0], [2, 0]]
bce, logits = 'binary_cross_entropy', 'binary_cross_entropy_with_logits'
for dtype in FLOATS:
    for reduction in REDUCTIONS[:3]:
        for shape in TWO if reduction != 'sum' else TWO[:1]:
            g.loss(bce, F.binary_cross_entropy, [g.share(shape, dtype), g.share(shape, dtype, grad=False)], reduction)
            g.loss(logits, F.binary_cross_entropy_with_logits, [g.input(shape, dtype, low=-4, high=4), g.share(shape, dtype)],
                 reduction)
        g.loss(bce, bce_with_target, [g.share([3, 5], dtype), g.share([3, 5], dtype)], reduction)
        g.loss(bce, bce_with_target, [g.share([17], dtype, grad=False), g.share([17], dtype)], reduction)
        for a, b in LAYOUTS if sparse(dtype, reduction) else []:
            g.loss(bce, F.binary_cross_entropy, [g.share([3, 5], dtype, layout=a), g.share([3, 5], dtype, layout=b, grad=False)],
                 reduction)
            g.loss(logits, F.binary_cross_entropy_with_logits, [g.input([3, 5], dtype, a), g.share([3, 5], dtype, layout=b)],
                 reduction)
        for weight in ([3, 5], [5], [3, 1], [], [1, 1]) if reduction != 'sum' else ([5],):
            w, p = g.input(weight, dtype, grad=False, low=0, high=3), g.input(weight, dtype, grad=False, low=0, high=3)
            one = Input(torch.ones([], dtype=dtype), grad=False)
            g.loss(bce + '_weighted', lambda a, b, c, reduction: F.binary_cross_entropy(a, b, c, reduction=reduction),
                 [g.share([3, 5], dtype), g.share([3, 5], dtype, grad=False), w], reduction)
            for u, v in ((w, one), (one, p), (w, p), (one, one)):
                g.loss(logits + '_weighted',
                     lambda a, b, c, d, reduction: F.binary_cross_entropy_with_logits(a, b, c, reduction=reduction, pos_weight=d),
                     [g.input([3, 5], dtype), g.share([3, 5], dtype), u, v], reduction)
        edge = torch.tensor([0.0, 1.0, 0.0, 1.0, 0.5, 1e-9, 0.25, 1e-35], dtype=dtype)
        g.loss(bce, F.binary_cross_entropy,
             [Input(edge), Input(torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0, 0.0, 0.25, 0.5], dtype=dtype), grad=False)], reduction)
        far = torch.tensor([20.0, -20.0, 85.0, -85.0, 100.0, -100.0, 1e4, -1e4, 0.0, -0.0, 1e-20, 1.0], dtype=dtype)
        for target in (0.0, 1.0, 0.5):
            g.loss(logits, F.binary_cross_entropy_with_logits, [Input(far), Input(torch.full_like(far, target))], reduction)
            g.loss(logits + '_weighted',
                 lambda a, b, c, d, reduction: F.binary_cross_entropy_with_logits(a, b, c, reduction=reduction, pos_weight=d),
                 [Input(far), Input(torch.full_like(far, target)), Input(torch.ones([], dtype=dtype), grad=False),
                  g.input([12], dtype, grad=False, low=0, high=3)], reduction)
        odd = torch.tensor([INF, -INF, NAN, 1.0], dtype=dtype)
        g.loss(logits, F.binary_cross_entropy_with_logits, [Input(odd), Input(torch.full_like(odd, 0.5))], reduction)
    for x in ([1.5, 0.5], [0.5, -0.1], [NAN, 0.5], [0.1, INF]):
        g.fails(bce, [Input(torch.tensor(x, dtype=dtype)), Input(torch.zeros(2, dtype=dtype))])
    for op in (bce, logits):
        g.fails(op, [g.share([3, 5], dtype), g.share([5], dtype)])
        g.fails(op, [g.share([3], dtype), g.input([3], torch.int64)])
        g.fails(op, [g.input([3], torch.bool), g.share([3], dtype)])
        g.fails(op, [g.share([3], dtype), g.share([3], dtype)], reduction=3)
    g.fails(bce + '_weighted', [g.share([3, 5], dtype), g.share([3, 5], dtype), g.share([3], dtype)])
    g.fails(bce + '_weighted', [g.share([3, 5], dtype), g.share([3, 5], dtype), g.share([4, 3, 5], dtype)])
    g.fails(logits + '_weighted', [g.share([3, 5], dtype), g.share([3, 5], dtype), g.share([3], dtype), g.share([5], dtype)])
    g.fails(logits + '_weighted', [g.share([3, 5], dtype), g.share([3, 5], dtype), g.share([5], dtype), g.share([3], dtype)])

g.write()
