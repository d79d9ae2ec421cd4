#!/usr/bin/python3
"""Writes modules.txt: the parameters that torch draws for modules, their names and order, and what the modules
compute, forward and backward.

    module NUMBER SEED DTYPE SPEC
    param NAME DTYPE [SHAPE] : VALUES        each of named_parameters, in its order; exact
    hashed NAME COUNT HASH                   the same of a large one: the 64-bit FNV-1a hash of its bytes
    next DTYPE [1] : VALUE                   what the generator draws next
    in DTYPE [SHAPE] grad : VALUES
    out DTYPE [SHAPE] : VALUES
    up : VALUES                              the gradient that backward starts with
    gradient : VALUES                        of the input
    paramgrad : VALUES                       of each parameter, in the same order

A SPEC is a Python expression: Linear(3,7), Linear(3,7,nobias), Sigmoid, Tanh, ReLU, Flatten, Sequential(…) of such,
also with names; Net(NAME=…,…) whose members are modules, called one after the other, and Parameter(2,3), drawn by
torch.rand, with which the result is then multiplied. Members are made and added in the order in which they stand.
"""
import os

import torch
from torch import nn

from golden import FLOATS, Golden, name_of, shape_of, text_of

g = Golden(__file__)


class Net(nn.Module):
    def __init__(self, **members):
        super().__init__()
        for name, member in members.items():
            setattr(self, name, member)

    def forward(self, x):
        for child in self.children():
            x = child(x)
        for own in self._parameters.values():
            x = x * own
        return x


def linear(i, o, nobias=False):
    return nn.Linear(i, o, bias=not nobias)


def sequential(*unnamed, **named):
    chain = nn.Sequential(*unnamed)
    for name, child in named.items():
        chain.add_module(name, child)
    return chain


class Names(dict):
    """Activations are written without brackets, each time a new one."""

    def __missing__(self, name):
        return getattr(nn, name)()


def made(spec):
    words = {'Linear': linear, 'Sequential': sequential, 'Net': Net, 'nobias': True,
             'Parameter': lambda *shape: nn.Parameter(torch.rand(shape))}
    return eval(spec, Names(words, __builtins__={}))


def fnv(raw):
    value = 0xCBF29CE484222325
    for byte in raw:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def line(word, tensor, rest=''):
    g.lines.append(f'{word} {name_of(tensor.dtype)} {shape_of(tensor.shape)}{rest} :{text_of(tensor)}')


def case(spec, shape, seed=1, dtype=torch.float32, hashed=False):
    torch.set_default_dtype(dtype)
    torch.manual_seed(seed)
    module = made(spec)
    g.count += 1
    g.lines.append(f'module {g.count} {seed} {name_of(dtype)} {spec}')
    for name, p in module.named_parameters():
        if hashed:
            g.lines.append(f'hashed {name} {p.numel()} {fnv(p.detach().numpy().tobytes()):x}')
        else:
            line(f'param {name}', p)
    line('next', torch.rand(1))
    if hashed:
        return
    x = g.values(shape, dtype).requires_grad_()
    y = module(x)
    line('in', x, ' grad')
    line('out', y)
    up = g.values(y.shape, dtype)
    y.backward(up)
    g.lines.append('up :' + text_of(up))
    g.lines.append('gradient :' + text_of(x.grad))
    for p in module.parameters():
        g.lines.append('paramgrad :' + text_of(p.grad))


LINEAR = [(1, 16, [5, 1]), (16, 1, [5, 16]), (3, 7, [5, 3]), (7, 3, [7]), (1, 1, [1, 1]), (17, 33, [2, 17]), (5, 2, [2, 3, 5]),
          (2, 5, [0, 2]), (20, 17, [3, 20]), (0, 3, [2, 0]), (4, 0, [3, 4]), (1, 20, [33, 1])]
CHAINS = [
    ('Sequential(Linear(1,16),Sigmoid,Linear(16,1))', [33, 1]),
    ('Sequential(Linear(3,5),Tanh,Linear(5,7,nobias),ReLU,Linear(7,2))', [3, 3]),
    ('Sequential(Flatten,Linear(6,4),ReLU)', [5, 3, 2]),
    ('Sequential(Linear(3,5),Flatten,Linear(10,1))', [7, 2, 3]),
    ('Sequential(Sequential(Linear(3,4),Tanh),Sequential(Linear(4,4),Sequential(Sigmoid,Linear(4,1))))', [5, 3]),
    ('Sequential()', [3]),
    ('Sequential(Sigmoid)', [7]),
    ('Sequential(Linear(3,2),tail=Linear(2,2),more=Sequential(ReLU,Linear(2,1)))', [5, 3]),
    ('Net(layer1=Linear(1,16),act=Sigmoid,layer2=Linear(16,1))', [17, 1]),
    ('Net(scale=Parameter(2))', [3, 2]),
    ('Net(inner=Linear(3,2),scale=Parameter(2),tail=Linear(2,2),row=Parameter(3,1))', [3, 3]),
    ('Net(encoder=Net(layers=Sequential(Linear(3,5),Tanh,Linear(5,5)),norm=Parameter(5)),gain=Parameter(1),'
     'head=Net(b=Linear(5,2),a=Linear(2,2),shift=Parameter(1,2)))', [7, 3]),
    ('Net(zeta=Linear(2,2),alpha=Net(deep=Net(deeper=Net(w=Parameter(2),l=Linear(2,2,nobias)))))', [5, 2]),
]
for dtype in FLOATS:
    for i, o, shape in LINEAR:
        case(f'Linear({i},{o})', shape, 42, dtype)
    for i, o, shape in LINEAR[:4]:
        case(f'Linear({i},{o},nobias)', shape, 42, dtype)
    for seed in (0, 1, 1234, 2**32 - 1, 2**40 + 99):
        case('Linear(5,3)', [2, 5], seed, dtype)
    for i, o in ((100, 200), (784, 30), (3, 1000), (1000, 3), (10, 512), (48, 48), (768, 33)):
        case(f'Linear({i},{o})', None, 7, dtype, hashed=True)
    case('Sequential(Linear(40,300),ReLU,Linear(300,10))', None, 7, dtype, hashed=True)
    for spec, shape in CHAINS:
        case(spec, shape, 3, dtype)
g.write()
