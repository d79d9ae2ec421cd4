"""upsample upsample_scale pad."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Golden

g = Golden(__file__)
MODES = ('constant', 'reflect', 'replicate', 'circular')


def pad(x, padding, mode, value=0):
    name = MODES[mode]
    g.case('pad', lambda t: F.pad(t, padding, name, value) if name == 'constant' else F.pad(t, padding, name), [x],
           padding=padding, mode=mode, value=value)


def upsample(x, size, linear=0, corners=0):
    mode = ('nearest', 'linear' if x.values.dim() == 3 else 'bilinear')[linear]
    g.case('upsample', lambda t: F.interpolate(t, size=size, mode=mode, align_corners=bool(corners) if linear else None), [x],
           size=size, linear=linear, corners=corners)


def scaled(x, scale, linear=0, corners=0):
    mode = ('nearest', 'linear' if x.values.dim() == 3 else 'bilinear')[linear]
    g.case('upsample_scale', lambda t: F.interpolate(t, scale_factor=scale, mode=mode, align_corners=bool(corners) if linear else None),
           [x], scale=scale, linear=linear, corners=corners)


for dtype in FLOATS:
    for linear, corners in ((0, 0), (1, 0), (1, 1)):
        for shape, size in (([2, 3, 4, 5], (8, 10)), ([1, 2, 3, 4], (7, 3)), ([1, 2, 5, 6], (5, 6)), ([2, 1, 4, 6], (2, 2)),
                            ([1, 1, 1, 1], (3, 2)), ([1, 2, 7, 7], (1, 1)), ([0, 2, 3, 3], (4, 4)), ([1, 1, 2, 9], (5, 23)),
                            ([2, 2, 5], (9,)), ([1, 3, 8], (3,))):
            upsample(g.input(shape, dtype), size, linear, corners)
        upsample(g.input([1, 2, 3, 4], dtype, 't=2,3'), (5, 5), linear, corners)
        upsample(g.input([1, 2, 3, 4], dtype, 's=3'), (5, 5), linear, corners)
        for shape, scale in (([1, 2, 4, 5], (2.0, 2.0)), ([1, 1, 5, 4], (1.5, 2.5)), ([1, 1, 7, 9], (0.5, 0.7)), ([1, 2, 6], (1.7,)),
                             ([1, 1, 3, 10], (1.3, 1.3)), ([1, 1, 3, 3], (0.2, 1.0))):
            scaled(g.input(shape, dtype), scale, linear, corners)
    for mode in range(4):
        for shape, padding in (([2, 3, 4], (1, 2)), ([2, 3, 4], (0, 3)), ([1, 2, 5, 4], (1, 2, 3, 0)), ([2, 1, 3, 4], (2, 2, 1, 1)),
                               ([1, 2, 3, 4, 5], (1, 0, 2, 1, 0, 2)), ([1, 2, 3], (0, 0)), ([0, 2, 3, 4], (1, 1, 1, 1))):
            pad(g.input(shape, dtype), padding, mode)
        for layout in ('t=2,3', 's=3', 'o=2'):
            pad(g.input([1, 2, 4, 3], dtype, layout), (1, 2, 2, 1), mode)
        for shape, padding in (([1, 2, 3], (4, 0)), ([1, 1, 3, 3], (0, 0, 0, 5)), ([1, 1, 3], (0, 3))):
            pad(g.input(shape, dtype), padding, mode)
    pad(g.input([3, 4], dtype), (1, -1, 2, -2), 0, 1.5)
    pad(g.input([4], dtype), (-1, 3), 0, -2)
    pad(g.input([2, 1, 2, 2], dtype), (1, 0, 0, 1, 1, 1, 0, 1), 0, 0.5)
    pad(g.input([2, 0], dtype), (1, 1), 0, 3)
    pad(g.input([2, 3], dtype), (), 0)
for dtype in (torch.int64, torch.int32, torch.uint8, torch.bool):
    pad(g.input([2, 3], dtype, grad=False), (1, 2), 0, 1)
for linear, corners, shape, size in ((0, 1, [1, 1, 3, 3], (2, 2)), (0, 0, [1, 1, 3, 3], (0, 2)), (0, 0, [1, 1, 3, 3], (3,)),
                                     (0, 0, [3, 3], (3,)), (1, 0, [1, 1, 0, 3], (3, 3)), (2, 0, [1, 1, 3], (3,))):
    g.fails('upsample', [g.input(shape)], size=size, linear=linear, corners=corners)
g.fails('upsample', [g.input([1, 1, 3], torch.int64)], size=(3,))
g.fails('upsample_scale', [g.input([1, 1, 3])], scale=(-1.0,))
g.fails('upsample_scale', [g.input([1, 1, 3])], scale=(0.1,))
for padding, mode in (((1,), 0), ((1, 1, 1, 1), 0), ((-3, -1), 0), ((0, -4), 0), ((-1, 1), 1), ((1, 1), 4), ((1, 1), -1)):
    g.fails('pad', [g.input([3])], padding=padding, mode=mode)
g.fails('pad', [g.input([1, 1, 0])], padding=(1, 1), mode=2)
g.write()
