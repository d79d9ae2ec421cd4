"""Writes layers.txt: modules of the layers that keep or draw something, in training and evaluation.

    module NUMBER SEED DTYPE NAME            NAME is a line of the table in ops/test_layers.c
    state NAME DTYPE [SHAPE] : VALUES        each of state_dict, in its order, when the module is made; exact
    next DTYPE [1] : VALUE                   what the generator draws next
    in DTYPE [SHAPE] [grad] : VALUES
    out DTYPE [SHAPE] : VALUES               in training mode
    up : VALUES                              the gradient that backward starts with
    gradient : VALUES                        of the input, if it takes one
    paramgrad : VALUES                       of each parameter, in their order
    after : VALUES                           of each of state_dict, after a second forward of the same input
    eval : VALUES                            what it then computes in evaluation mode
"""
import torch
from torch import nn

from golden import FLOATS, Golden, name_of, shape_of, text_of

g = Golden(__file__)

MODULES = [
    ('LayerNorm(5)', lambda: nn.LayerNorm(5), [3, 5]), ('LayerNorm(3,2,noaffine)', lambda: nn.LayerNorm([3, 2], elementwise_affine=False), [2, 3, 2]),
    ('LayerNorm(4,eps)', lambda: nn.LayerNorm(4, eps=0.5), [2, 4]),
    ('GroupNorm(2,4)', lambda: nn.GroupNorm(2, 4), [2, 4, 3]), ('GroupNorm(2,4,noaffine)', lambda: nn.GroupNorm(2, 4, affine=False), [2, 4, 3]),
    ('BatchNorm1d(4)', lambda: nn.BatchNorm1d(4), [5, 4]), ('BatchNorm1d(4) of 3', lambda: nn.BatchNorm1d(4), [2, 4, 3]),
    ('BatchNorm1d(4,momentum)', lambda: nn.BatchNorm1d(4, momentum=0.5, eps=0.25), [3, 4]),
    ('BatchNorm2d(3)', lambda: nn.BatchNorm2d(3), [2, 3, 2, 3]), ('BatchNorm2d(3,cumulative)', lambda: nn.BatchNorm2d(3, momentum=None), [2, 3, 2, 2]),
    ('BatchNorm2d(3,nostats)', lambda: nn.BatchNorm2d(3, track_running_stats=False), [2, 3, 2, 2]),
    ('BatchNorm2d(3,noaffine)', lambda: nn.BatchNorm2d(3, affine=False), [2, 3, 2, 2]),
    ('InstanceNorm2d(3)', lambda: nn.InstanceNorm2d(3), [2, 3, 2, 3]), ('InstanceNorm2d(3) of 3', lambda: nn.InstanceNorm2d(3), [3, 2, 3]),
    ('InstanceNorm2d(3,all)', lambda: nn.InstanceNorm2d(3, affine=True, track_running_stats=True, momentum=0.3), [2, 3, 2, 3]),
    ('Dropout(0.3)', lambda: nn.Dropout(0.3), [4, 5]), ('Dropout2d(0.5)', lambda: nn.Dropout2d(0.5), [2, 4, 2, 2]),
    ('PReLU(1)', lambda: nn.PReLU(), [2, 3]), ('PReLU(3)', lambda: nn.PReLU(3, 0.5), [2, 3, 2]),
    ('LeakyReLU', lambda: nn.LeakyReLU(), [7]), ('ELU', lambda: nn.ELU(), [7]), ('SELU', lambda: nn.SELU(), [7]), ('GELU', lambda: nn.GELU(), [7]),
    ('GELU(tanh)', lambda: nn.GELU('tanh'), [7]), ('SiLU', lambda: nn.SiLU(), [7]), ('Mish', lambda: nn.Mish(), [7]),
    ('Softplus', lambda: nn.Softplus(), [7]), ('Softplus(3,2)', lambda: nn.Softplus(3, 2), [7]), ('Hardtanh', lambda: nn.Hardtanh(), [7]),
    ('Hardswish', lambda: nn.Hardswish(), [7]), ('GLU', lambda: nn.GLU(), [3, 4]),
]
EMBEDDINGS = [
    ('Embedding(5,3)', lambda: nn.Embedding(5, 3), [[1, 4], [0, 1]]), ('Embedding(7,4,padding)', lambda: nn.Embedding(7, 4, padding_idx=-2), [[5, 4], [0, 5]]),
    ('EmbeddingBag(5,3)', lambda: nn.EmbeddingBag(5, 3), [[1, 4], [0, 1]]),
    ('EmbeddingBag(5,3,sum)', lambda: nn.EmbeddingBag(5, 3, mode='sum', padding_idx=1), [[1, 4], [0, 1]]),
]
RESIZING = [
    ('Upsample(5,3)', lambda: nn.Upsample((5, 3)), [1, 2, 2, 2]), ('Upsample(x2.5,linear)', lambda: nn.Upsample(scale_factor=2.5, mode='linear'), [2, 1, 3]),
    ('Upsample(4,corners)', lambda: nn.Upsample((4, 4), mode='bilinear', align_corners=True), [1, 1, 2, 3]),
    ('ZeroPad2d(1)', lambda: nn.ZeroPad2d(1), [1, 1, 2, 2]), ('ConstantPad1d(1,2)', lambda: nn.ConstantPad1d((1, 2), 3.5), [1, 2, 2]),
    ('ConstantPad2d', lambda: nn.ConstantPad2d((1, 0, 2, -1), -1.0), [1, 1, 2, 2]), ('ReflectionPad1d(2)', lambda: nn.ReflectionPad1d(2), [1, 2, 3]),
    ('ReflectionPad2d', lambda: nn.ReflectionPad2d((1, 2, 0, 1)), [1, 1, 2, 3]), ('ReplicationPad1d(2)', lambda: nn.ReplicationPad1d(2), [1, 2, 3]),
    ('ReplicationPad2d', lambda: nn.ReplicationPad2d((1, 2, 0, 1)), [1, 1, 2, 3]),
    ('Softmax(1)', lambda: nn.Softmax(1), [3, 4, 2]), ('LogSoftmax(-1)', lambda: nn.LogSoftmax(-1), [3, 4]),
]


def line(word, tensor, rest=''):
    g.lines.append(f'{word} {name_of(tensor.dtype)} {shape_of(tensor.shape)}{rest} :{text_of(tensor)}')


def case(name, make, x, dtype):
    torch.set_default_dtype(dtype)
    torch.manual_seed(5)
    module = make()
    g.count += 1
    g.lines.append(f'module {g.count} 5 {name_of(dtype)} {name.replace(" ", "_")}')
    for key, value in module.state_dict().items():
        line(f'state {key}', value)
    line('next', torch.rand(1))
    taken = x.dtype.is_floating_point
    y = module(x.requires_grad_(taken))
    line('in', x, ' grad' if taken else '')
    line('out', y)
    if y.requires_grad:
        up = g.values(y.shape, dtype)
        y.backward(up)
        g.lines.append('up :' + text_of(up))
    if taken:
        g.lines.append('gradient :' + text_of(x.grad))
    for p in module.parameters():
        g.lines.append('paramgrad :' + text_of(p.grad))
    module(x)
    for value in module.state_dict().values():
        g.lines.append('after :' + text_of(value))
    module.eval()
    g.lines.append('eval :' + text_of(module(x)))


for dtype in FLOATS:
    for name, make, shape in MODULES:
        case(name, make, g.values(shape, dtype), dtype)
    for name, make, x in EMBEDDINGS:
        case(name, make, torch.tensor(x), dtype)
for dtype in FLOATS:
    for name, make, shape in RESIZING:
        case(name, make, g.values(shape, dtype), dtype)
g.write()
