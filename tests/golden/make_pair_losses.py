"""margin_ranking_loss cosine_embedding_loss triplet_margin_loss."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Input
from losses_golden import INF, Losses, REDUCTIONS

g = Losses(__file__)


def ranking_of(margin):
    return lambda a, b, t, reduction: F.margin_ranking_loss(a, b, t, margin=margin or 0.0, reduction=reduction)


def cosine_of(margin):
    return lambda a, b, t, reduction: F.cosine_embedding_loss(a, b, t, margin=margin or 0.0, reduction=reduction)


def triplet_of(margin=None, p=None, eps=None, swap=None):
    return lambda a, b, c, reduction: F.triplet_margin_loss(
        a, b, c, margin=1.0 if margin is None else margin, p=2.0 if p is None else p, eps=1e-6 if eps is None else eps,
        swap=bool(swap), reduction=reduction)


for dtype in FLOATS:
    for reduction in REDUCTIONS[:3]:
        for margin in (None, 0.5, -0.25):
            for a, b, t in (([3, 5], [3, 5], [3, 5]), ([17], [17], [17]), ([], [], []), ([3, 1], [1, 5], [3, 5]), ([3, 5], [3, 5], [1, 5]),
                            ([0], [0], [0])):
                g.loss('margin_ranking_loss', ranking_of(margin), [g.input(a, dtype), g.input(b, dtype), g.signs(t, dtype, True)], reduction,
                     margin=margin)
            for n, d in ((5, 3), (3, 17), (1, 1), (0, 3)):
                g.loss('cosine_embedding_loss', cosine_of(margin), [g.input([n, d], dtype), g.input([n, d], dtype), g.signs([n], dtype)],
                     reduction, margin=margin)
            g.loss('cosine_embedding_loss', cosine_of(margin), [g.input([7], dtype), g.input([7], dtype), g.signs([], dtype)], reduction,
                 margin=margin)
        equal = torch.tensor([1.0, 2.0, 3.0, 0.5], dtype=dtype)
        g.loss('margin_ranking_loss', ranking_of(0.5), [Input(equal), Input(equal - 0.5), g.signs([4], dtype)], reduction, margin=0.5)
        g.loss('margin_ranking_loss', ranking_of(None), [g.input([3, 5], dtype, 't=0,1'), g.input([3, 5], dtype, 's=0'), g.signs([3, 5], torch.int64)],
             reduction)
        g.loss('cosine_embedding_loss', cosine_of(None), [g.input([5, 3], dtype, 't=0,1'), g.input([5, 3], dtype, 's=1'), g.signs([5], torch.int64)],
             reduction)
        g.loss('cosine_embedding_loss', cosine_of(None), [g.input([5, 3], dtype), g.input([1, 3], dtype), g.signs([5], dtype)], reduction)
        g.loss('cosine_embedding_loss', cosine_of(None), [g.input([4, 3], dtype), g.input([4, 3], dtype), Input(torch.tensor([1, 0, -1, 2]))],
             reduction)
        g.loss('cosine_embedding_loss', cosine_of(None), [Input(torch.zeros(2, 3, dtype=dtype)), g.input([2, 3], dtype), Input(torch.tensor([1, -1]))],
             reduction)
        for more in ({}, {'margin': 0.0}, {'margin': 3.0}, {'p': 1.0}, {'p': 3.0}, {'p': 1.5}, {'p': 0.5, 'margin': 9.0}, {'p': INF}, {'swap': 1},
                     {'swap': 1, 'p': 1.0, 'margin': 2.5}, {'eps': 0.1}, {'eps': 0.0}, {'p': 0.0, 'grad': False}):
            grad = more.pop('grad', None)
            shapes = [([5, 3], [5, 3], [5, 3])]
            shapes += [([7], [7], [7]), ([2, 3, 5], [2, 3, 5], [2, 3, 5]), ([5, 3], [1, 3], [5, 3]), ([0, 3], [0, 3], [0, 3])] if len(more) != 1 else []
            for sizes in shapes:
                g.loss('triplet_margin_loss', triplet_of(**more), [g.input(s, dtype, grad=grad) for s in sizes], reduction, **more)
        g.loss('triplet_margin_loss', triplet_of(margin=2.0), [g.input([5, 3], dtype, 't=0,1'), g.input([5, 3], dtype, 's=0'), g.input([5, 3], dtype, 'o=1')],
             reduction, margin=2.0)
        ties = torch.tensor([[1.0, -1.0, 0.5], [0.0, 0.0, 0.0]], dtype=dtype)
        for p in (1.0, 2.0, 3.0, INF):
            g.loss('triplet_margin_loss', triplet_of(p=p, eps=0.0, margin=5.0), [Input(ties), Input(torch.zeros_like(ties)), g.input([2, 3], dtype)],
                 reduction, p=p, eps=0.0, margin=5.0)
    x = g.input([3, 5], dtype)
    for a, b, t in (([3, 5], [5], [3, 5]), ([3, 5], [3, 5], [5]), ([3, 5], [3, 4], [3, 5]), ([3, 5], [3, 5], [3, 4])):
        g.fails('margin_ranking_loss', [g.input(a, dtype), g.input(b, dtype), g.signs(t, dtype)])
    g.fails('margin_ranking_loss', [x, x, g.input([3, 5], torch.bool)])
    g.fails('margin_ranking_loss', [x, x, x], reduction=3)
    for a, b, t in (([3, 5], [3, 5], [3, 1]), ([3, 5], [3, 4], [3]), ([3, 5], [3, 5], [2]), ([3, 5], [5], [3]), ([5], [5], [1]), ([2, 3, 5], [2, 3, 5], [2])):
        g.fails('cosine_embedding_loss', [g.input(a, dtype), g.input(b, dtype), g.signs(t, dtype)])
    g.fails('cosine_embedding_loss', [x, g.input([3, 5], torch.int64), g.signs([3], dtype)])
    g.fails('cosine_embedding_loss', [x, x, g.signs([3], dtype)], reduction=3)
    for a, b, c in (([3, 5], [5], [3, 5]), ([3, 5], [3, 5], [5]), ([3, 5], [3, 4], [3, 5]), ([3, 5], [3, 5], [2, 5]), ([], [], [])):
        g.fails('triplet_margin_loss', [g.input(a, dtype), g.input(b, dtype), g.input(c, dtype)])
    g.fails('triplet_margin_loss', [x, x, x], p=-1.0)
    g.fails('triplet_margin_loss', [x, x, x], reduction=3)
    g.fails('triplet_margin_loss', [x, g.input([3, 5], torch.bool), x])

g.write()
