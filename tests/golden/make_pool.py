"""max_pool1d max_pool2d avg_pool1d avg_pool2d adaptive_avg_pool2d."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Golden, Input

NAN, INF = float('nan'), float('inf')
CASES_2D = [  # x, options
    ([2, 3, 6, 8], dict(kernel=(2, 2))), ([1, 2, 7, 9], dict(kernel=(2, 2))), ([3, 5, 5], dict(kernel=(3, 3), stride=(1, 1))),
    ([1, 2, 7, 8], dict(kernel=(3, 2), stride=(2, 3), padding=(1, 1))), ([1, 1, 8, 7], dict(kernel=(3, 3), padding=(1, 0))),
    ([2, 1, 7, 7], dict(kernel=(2, 2), ceil=1)), ([1, 2, 8, 9], dict(kernel=(3, 3), stride=(2, 2), padding=(1, 1), ceil=1)),
    ([1, 1, 3, 35], dict(kernel=(2, 3), stride=(1, 2))), ([1, 1, 1, 1], dict(kernel=(1, 1))), ([0, 2, 4, 4], dict(kernel=(2, 2))),
    ([1, 2, 5, 6], dict(kernel=(4, 2), stride=(1, 4), padding=(2, 1), ceil=1)),
]
WRONG_2D = [([2, 3, 6, 8], dict(kernel=(7, 2))), ([6, 8], dict(kernel=(2, 2))), ([1, 1, 4, 4], dict(kernel=(2, 2), padding=(2, 2)))]
CASES_1D = [([2, 3, 8], dict(kernel=(2,))), ([3, 9], dict(kernel=(3,), stride=(2,), padding=(1,))), ([1, 2, 7], dict(kernel=(2,), ceil=1))]


def options_of(options):
    o = {k: v for k, v in options.items() if k in ('stride', 'padding', 'dilation')}
    return dict(o, ceil_mode=bool(options.get('ceil')))


g = Golden(__file__)
for dtype in FLOATS:
    for op, function, shapes in (('max_pool2d', F.max_pool2d, CASES_2D + WRONG_2D), ('max_pool1d', F.max_pool1d, CASES_1D),
                                 ('avg_pool2d', F.avg_pool2d, CASES_2D + WRONG_2D), ('avg_pool1d', F.avg_pool1d, CASES_1D)):
        for shape, options in shapes:
            g.case(op, lambda x: function(x, options['kernel'], **options_of(options)), [g.input(shape, dtype)], **options)
    for shape, options in (([1, 2, 9, 8], dict(kernel=(2, 3), dilation=(3, 2))),
                           ([1, 1, 7, 9], dict(kernel=(3, 2), stride=(1, 2), padding=(1, 1), dilation=(2, 3), ceil=1)),
                           ([1, 1, 6, 6], dict(kernel=(3, 3), padding=(1, 1), dilation=(2, 1)))):
        g.case('max_pool2d', lambda x: F.max_pool2d(x, options['kernel'], **options_of(options)), [g.input(shape, dtype)], **options)
    for shape, options in CASES_2D[:6]:
        g.case('avg_pool2d', lambda x: F.avg_pool2d(x, options['kernel'], count_include_pad=False, **options_of(options)),
               [g.input(shape, dtype)], exclude=1, **options)
        g.case('avg_pool2d', lambda x: F.avg_pool2d(x, options['kernel'], divisor_override=3, **options_of(options)),
               [g.input(shape, dtype)], divisor=3, **options)
    ties = torch.tensor([[[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 0.0], [NAN, 3.0, -INF, -INF], [4.0, 5.0, -INF, -INF]]], dtype=dtype)
    wide = torch.round(g.values([1, 4, 40], dtype))
    for values in (ties, wide, torch.where(wide == 1, NAN, wide)):
        g.case('max_pool2d', lambda x: F.max_pool2d(x, 2), [Input(values)], kernel=(2, 2))
        g.case('max_pool2d', lambda x: F.max_pool2d(x, 3, 1, 1), [Input(values)], kernel=(3, 3), stride=(1, 1), padding=(1, 1))
        g.case('avg_pool2d', lambda x: F.avg_pool2d(x, 2), [Input(values)], kernel=(2, 2))
    for layout in ('t=2,3', 's=3', 'o=2'):
        g.case('max_pool2d', lambda x: F.max_pool2d(x, 2), [g.input([2, 2, 4, 6], dtype, layout)], kernel=(2, 2))
        g.case('avg_pool2d', lambda x: F.avg_pool2d(x, 2), [g.input([2, 2, 4, 6], dtype, layout)], kernel=(2, 2))
    for shape, size in (([2, 3, 6, 8], (2, 3)), ([1, 5, 7], (3, 2)), ([2, 2, 4, 4], (1, 1)), ([1, 2, 3, 5], (5, 7)),
                        ([1, 1, 4, 6], (-1, 3)), ([2, 3, 0, 4], (2, 2))):
        called = tuple(None if s == -1 else s for s in size)
        g.case('adaptive_avg_pool2d', lambda x: F.adaptive_avg_pool2d(x, called), [g.input(shape, dtype)], size=size)
g.fails('max_pool2d', [g.input([1, 1, 4, 4], torch.int64)], kernel=(2, 2))
g.fails('avg_pool2d', [g.input([1, 1, 4, 4])], kernel=(2, 2), dilation=(2, 2))
for dtype in FLOATS:
    # Windows that end outside, of images smaller than they are. (Where all of a window is padding, torch writes outside of its gradient.)
    for op, function in (('max_pool2d', F.max_pool2d), ('avg_pool2d', F.avg_pool2d)):
        for shape, options in (([1, 1, 1, 6], dict(kernel=(2, 2), ceil=1)), ([1, 2, 2, 5], dict(kernel=(4, 2), ceil=1)),
                               ([1, 1, 2, 3], dict(kernel=(4, 3), stride=(2, 1), ceil=1)),
                               ([1, 1, 2, 3], dict(kernel=(3, 3), stride=(1, 1), ceil=1))):
            g.case(op, lambda x: function(x, options['kernel'], **options_of(options)), [g.input(shape, dtype)], **options)
g.write()
