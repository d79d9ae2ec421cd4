"""conv1d conv2d conv_transpose2d, with and without a bias."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Golden

SHAPES_2D = [  # x, weight, options
    ([2, 3, 5, 7], [4, 3, 3, 3], {}), ([1, 1, 4, 4], [1, 1, 1, 1], {}), ([2, 1, 6, 5], [3, 1, 3, 2], dict(padding=(1, 1))),
    ([3, 5, 7], [2, 5, 2, 3], {}), ([2, 2, 7, 9], [3, 2, 3, 3], dict(stride=(2, 2), padding=(1, 1))),
    ([1, 2, 8, 7], [2, 2, 3, 3], dict(stride=(3, 1), padding=(0, 2))), ([1, 2, 9, 8], [2, 2, 3, 2], dict(dilation=(2, 3))),
    ([2, 4, 5, 5], [6, 2, 3, 3], dict(groups=2, padding=(1, 1))), ([2, 3, 5, 4], [3, 1, 3, 3], dict(groups=3, padding=(2, 1))),
    ([2, 3, 6, 6], [4, 3, 1, 1], {}), ([1, 3, 6, 6], [4, 3, 1, 1], dict(stride=(2, 2))), ([1, 2, 5, 6], [3, 2, 4, 3], dict(same=1)),
    ([1, 2, 6, 5], [2, 2, 2, 3], dict(same=1, dilation=(2, 1))), ([2, 4, 3, 3], [4, 1, 3, 3], dict(groups=4, same=1)),
    ([0, 2, 4, 4], [3, 2, 2, 2], {}), ([5, 1, 3, 17], [2, 1, 2, 5], dict(padding=(0, 4), stride=(1, 3))),
    ([1, 1, 3, 3], [1, 1, 3, 3], dict(padding=(3, 3), dilation=(2, 2), stride=(2, 2))),
]
WRONG_2D = [
    ([2, 3, 5, 7], [4, 2, 3, 3], {}), ([2, 3, 5, 7], [4, 3, 6, 3], {}), ([5, 7], [4, 3, 3, 3], {}), ([2, 3, 5, 7], [4, 3, 3], {}),
    ([2, 4, 5, 7], [5, 2, 3, 3], dict(groups=2)), ([1, 2, 5, 5], [2, 2, 3, 3], dict(same=1, stride=(2, 2))),
]
SHAPES_1D = [
    ([2, 3, 9], [4, 3, 3], {}), ([3, 8], [2, 3, 2], {}), ([2, 2, 10], [3, 2, 3], dict(stride=(2,), padding=(2,))),
    ([1, 4, 11], [4, 2, 3], dict(groups=2, dilation=(3,))), ([2, 3, 7], [2, 3, 4], dict(same=1)), ([2, 2, 5], [3, 2, 1], {}),
    ([2, 0, 5], [3, 0, 2], {}),
]
WRONG_1D = [([2, 3, 9], [4, 2, 3], {}), ([2, 3, 4], [4, 3, 5], {}), ([9], [4, 3, 3], {})]


def cases(g, op, function, shape, weight, options, dtype, layouts=('', '', ''), grads=(True, True, True)):
    same, rest = options.get('same'), {k: v for k, v in options.items() if k != 'same'}
    called = dict(rest, padding='same') if same else rest
    x = g.input(shape, dtype, layouts[0], grads[0])
    w = g.input(weight, dtype, layouts[1], grads[1])
    b = g.input(weight[:1], dtype, layouts[2], grads[2])
    g.case(op, lambda x, w, b: function(x, w, b, **called), [x, w, b], **options)
    g.case(op + '_no_bias', lambda x, w: function(x, w, **called), [x, w], **options)


g = Golden(__file__)
for dtype in FLOATS:
    for shape, weight, options in SHAPES_2D + WRONG_2D:
        cases(g, 'conv2d', F.conv2d, shape, weight, options, dtype)
    for shape, weight, options in SHAPES_1D + WRONG_1D:
        if 0 not in shape[1:]:
            cases(g, 'conv1d', F.conv1d, shape, weight, options, dtype)
    cases(g, 'conv2d', F.conv2d, [2, 3, 5, 7], [4, 3, 3, 3], {}, dtype, ('t=2,3', 't=0,1', 's=0'))
    cases(g, 'conv2d', F.conv2d, [2, 3, 4, 5], [4, 3, 3, 3], {}, dtype, ('s=1', 'o=2', 'e=0'))
    for grads in range(7):
        cases(g, 'conv2d', F.conv2d, [2, 2, 4, 4], [3, 2, 2, 2], {}, dtype, grads=tuple(bool(grads >> k & 1) for k in range(3)))
TRANSPOSED = [  # x, weight, options
    ([2, 3, 4, 3], [3, 2, 3, 3], {}), ([1, 1, 1, 1], [1, 1, 1, 1], {}), ([3, 2, 5], [3, 2, 2, 3], {}), ([2, 2, 3, 4], [2, 3, 1, 1], {}),
    ([1, 2, 4, 3], [2, 2, 3, 3], dict(stride=(2, 2), padding=(1, 1), output_padding=(1, 1))),
    ([1, 2, 3, 5], [2, 1, 3, 2], dict(stride=(3, 1), padding=(0, 1), output_padding=(2, 0))),
    ([1, 4, 3, 3], [4, 2, 2, 3], dict(groups=2, dilation=(2, 1), padding=(1, 1))), ([2, 2, 2, 2], [2, 1, 3, 3], dict(groups=2)),
    ([0, 2, 3, 3], [2, 3, 2, 2], {}), ([1, 1, 2, 3], [1, 2, 2, 2], dict(dilation=(2, 3), output_padding=(1, 2))),
]
WRONG_TRANSPOSED = [([1, 3, 4, 4], [2, 3, 2, 2], {}), ([1, 2, 2, 2], [2, 1, 2, 2], dict(output_padding=(1, 0))), ([1, 2, 2, 2], [2, 1, 2, 2], dict(padding=(2, 2)))]
for dtype in FLOATS:
    for shape, weight, options in TRANSPOSED + WRONG_TRANSPOSED:
        inputs = [g.input(shape, dtype), g.input(weight, dtype), g.input([weight[1] * options.get('groups', 1)], dtype)]
        g.case('conv_transpose2d', lambda x, w, b: F.conv_transpose2d(x, w, b, **options), inputs, **options)
        g.case('conv_transpose2d_no_bias', lambda x, w: F.conv_transpose2d(x, w, **options), inputs[:2], **options)
    g.case('conv_transpose2d', F.conv_transpose2d, [g.input([2, 3, 4, 3], dtype, 't=2,3'), g.input([3, 2, 2, 2], dtype, 's=0'), g.input([2], dtype)])
g.fails('conv2d', [g.input([1, 2, 4, 4]), g.input([2, 2, 2, 2]), g.input([3])])
g.fails('conv2d', [g.input([1, 2, 4, 4]), g.input([2, 2, 2, 2], torch.float64), g.input([2])])
g.fails('conv2d_no_bias', [g.input([1, 2, 4, 4], torch.int64), g.input([2, 2, 2, 2], torch.int64)])
g.fails('conv2d_no_bias', [g.input([1, 2, 4, 4]), g.input([2, 2, 2, 2])], stride=(-1, 1))
g.fails('conv2d_no_bias', [g.input([1, 2, 4, 4]), g.input([2, 2, 2, 2])], padding=(-1, 1))
# Enough channels for Winograd's way, odd ones among them: pads from 0 to 2, sides that are no multiples of its tiles.
for shape, weight, padding in (([2, 8, 9, 7], [8, 8, 3, 3], (1, 1)), ([1, 9, 6, 11], [11, 9, 3, 3], (0, 2)), ([3, 8, 4, 5], [9, 8, 3, 3], (2, 0)),
                               ([8, 6, 6], [10, 8, 3, 3], (0, 0))):
    g.case('conv2d_many_channels', lambda x, w, b: F.conv2d(x, w, b, padding=padding), [g.input(shape), g.input(weight), g.input(weight[:1])],
           padding=padding)
g.write()
