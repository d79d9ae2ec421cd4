"""Modules for images: convolutions and pooling.

A SPEC's options are torch's names; a kernel is one number, `kernel_w` the width where it is another one.
"""
from torch import nn

from golden import FLOATS, Golden
from golden_modules import case


def conv(kind):
    def make(i, o, kernel, kernel_w=0, bias=1, **options):
        return kind(i, o, (kernel, kernel_w) if kernel_w else kernel, bias=bool(bias), **options)
    return make


def pool(kind):
    def make(kernel, ceil_mode=0, **options):
        return kind(kernel, ceil_mode=bool(ceil_mode), **options)
    return make


WORDS = {'Conv1d': conv(nn.Conv1d), 'Conv2d': conv(nn.Conv2d), 'ConvTranspose2d': conv(nn.ConvTranspose2d),
         'MaxPool1d': pool(nn.MaxPool1d), 'MaxPool2d': pool(nn.MaxPool2d), 'AvgPool1d': pool(nn.AvgPool1d),
         'AvgPool2d': pool(nn.AvgPool2d), 'AdaptiveAvgPool2d': lambda h, w: nn.AdaptiveAvgPool2d((h, w))}
CASES = [
    ('Conv2d(1,4,3)', [2, 1, 5, 6]), ('Conv2d(4,6,3,stride=2,padding=1,groups=2)', [1, 4, 7, 6]), ('Conv2d(2,3,2,kernel_w=5,bias=0)', [1, 2, 4, 7]),
    ('Conv2d(2,2,3,dilation=2)', [2, 6, 7]), ('Conv1d(3,5,3,padding=1)', [2, 3, 7]), ('Conv1d(4,4,2,groups=4,stride=2)', [1, 4, 9]),
    ('ConvTranspose2d(3,4,3,stride=2,padding=1,output_padding=1)', [1, 3, 3, 4]), ('ConvTranspose2d(4,2,2,groups=2,bias=0)', [1, 4, 3, 3]),
    ('MaxPool2d(2)', [1, 2, 5, 6]), ('MaxPool2d(3,stride=1,padding=1)', [1, 1, 4, 5]), ('MaxPool1d(2,ceil_mode=1)', [1, 2, 5]),
    ('AvgPool2d(2)', [1, 2, 4, 6]), ('AvgPool1d(3,stride=2)', [2, 1, 8]), ('AdaptiveAvgPool2d(2,3)', [1, 2, 5, 7]),
    ('Sequential(Conv2d(1,3,3,padding=1),ReLU,MaxPool2d(2),Conv2d(3,4,3),ReLU,AvgPool2d(2),Flatten,Linear(4,3))', [2, 1, 9, 8]),
]

g = Golden(__file__)
for dtype in FLOATS:
    for spec, shape in CASES:
        case(g, spec, shape, 11, dtype, more=WORDS)
    for spec in ('Conv2d(16,32,3)', 'Conv1d(20,30,5)', 'ConvTranspose2d(16,24,3)'):
        case(g, spec, None, 7, dtype, hashed=True, more=WORDS)
g.write()
