"""layer_norm group_norm instance_norm batch_norm, with and without weight and bias (plain), batch_norm also without
running values (no_stats). The running mean and variance after a batch are batch_norm's cases running_mean and running_var,
whose results are what becomes of the first and the second buffer."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Golden

g = Golden(__file__)
ALL_SHAPES = [[2, 4, 3, 3], [3, 8], [2, 4, 5], [1, 2, 19], [2, 4, 1, 2], [4, 18]]


def weights(sizes, dtype):
    return [g.input(sizes, dtype), g.input(sizes, dtype)]


for dtype in FLOATS:
    SHAPES = ALL_SHAPES if dtype == torch.float32 else ALL_SHAPES[:3]
    for shape, count in [([2, 3, 5], 1), ([2, 3, 5], 2), ([3, 4], 2), ([7], 1), ([2, 33], 1), ([2, 2, 17], 1), ([0, 3], 1), ([4, 2], 1)]:
        sizes = shape[len(shape) - count:]
        g.case('layer_norm', lambda x, w, b: F.layer_norm(x, sizes, w, b), [g.input(shape, dtype)] + weights(sizes, dtype))
        g.case('layer_norm_plain', lambda x: F.layer_norm(x, sizes, eps=0.25), [g.input(shape, dtype)], eps=0.25, sizes=sizes)
    x = g.input([3, 4, 5], dtype, low=8, high=12)  # far from zero
    g.case('layer_norm', lambda x, w, b: F.layer_norm(x, [5], w, b), [x] + weights([5], dtype))
    g.case('layer_norm', lambda x, w, b: F.layer_norm(x, [4], w, b), [g.input([2, 5], dtype)] + weights([4], dtype))
    g.case('layer_norm', lambda x, w, b: F.layer_norm(x, [3], w, b), [g.input([4, 3], dtype, 't=0,1'), g.input([3], dtype, 's=0'), g.input([3], dtype, 'e=0')])
    for shape in SHAPES:
        for groups in (1, 2):
            g.case('group_norm', lambda x, w, b: F.group_norm(x, groups, w, b), [g.input(shape, dtype)] + weights(shape[1:2], dtype), groups=groups)
        g.case('group_norm_plain', lambda x: F.group_norm(x, 2, eps=0.25), [g.input(shape, dtype)], groups=2, eps=0.25)
        if len(shape) > 2:
            g.case('instance_norm', lambda x, w, b: F.instance_norm(x, weight=w, bias=b), [g.input(shape, dtype)] + weights(shape[1:2], dtype))
            g.case('instance_norm_plain', lambda x: F.instance_norm(x, eps=0.25), [g.input(shape, dtype)], eps=0.25)
    g.case('group_norm', lambda x, w, b: F.group_norm(x, 3, w, b), [g.input([2, 4, 3], dtype)] + weights([4], dtype), groups=3)
    g.case('instance_norm_plain', lambda x: F.instance_norm(x), [g.input([2, 4, 1], dtype)])
    for shape in SHAPES + [[0, 3], [2, 3, 0]]:
        c = shape[1:2]

        def stats():
            return [g.input(c, dtype, grad=False), g.input(c, dtype, grad=False, low=0.5)]
        for training in (0, 1):
            g.case('batch_norm', lambda x, w, b, m, v: F.batch_norm(x, m.clone(), v.clone(), w, b, bool(training)),
                   [g.input(shape, dtype)] + weights(c, dtype) + stats(), training=training)
            g.case('batch_norm_plain', lambda x, m, v: F.batch_norm(x, m.clone(), v.clone(), None, None, bool(training), eps=0.25),
                   [g.input(shape, dtype)] + stats(), training=training, eps=0.25)
        g.case('batch_norm_no_stats', lambda x, w, b: F.batch_norm(x, None, None, w, b, True), [g.input(shape, dtype)] + weights(c, dtype))
        g.case('batch_norm_no_stats_plain', lambda x: F.batch_norm(x, None, None, None, None, True), [g.input(shape, dtype)])

        def running(x, m, v):
            m, v = m.clone(), v.clone()
            F.batch_norm(x.detach(), m, v, None, None, True, momentum=0.25)
            return m, v
        g.case('running', running, [g.input(shape, dtype, grad=False)] + stats(), momentum=0.25)
    g.case('batch_norm_no_stats_plain', lambda x: F.batch_norm(x, None, None, None, None, True), [g.input([1, 4], dtype)])
    g.case('batch_norm', lambda x, w, b, m, v: F.batch_norm(x, m.clone(), v.clone(), w, b, True),
           [g.input([2, 3, 4], dtype, 't=1,2'), g.input([3], dtype, 'o=0'), g.input([3], dtype)] +
           [g.input([3], dtype, grad=False), g.input([3], dtype, grad=False, low=0.5)], training=1)
g.fails('layer_norm', [g.input([2, 3], torch.int64), g.input([3]), g.input([3])])
g.fails('layer_norm', [g.input([2, 3]), g.input([3], torch.float64), g.input([3], torch.float64)])
g.fails('batch_norm_no_stats', [g.input([2, 3]), g.input([4]), g.input([3])])
g.fails('batch_norm_no_stats_plain', [g.input([3])])
g.write()
