"""Writes files like modules.txt: the parameters that torch draws for modules, their names and order, and what the
modules compute, forward and backward.

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
import torch
from torch import nn

from golden import name_of, shape_of, text_of


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


def made(spec, more):
    words = {'Linear': linear, 'Sequential': sequential, 'Net': Net, 'nobias': True,
             'Parameter': lambda *shape: nn.Parameter(torch.rand(shape)), **more}
    return eval(spec, Names(words, __builtins__={}))


def fnv(raw):
    value = 0xCBF29CE484222325
    for byte in raw:
        value = (value ^ byte) * 0x100000001B3 % 2**64
    return value


def line(g, word, tensor, rest=''):
    g.lines.append(f'{word} {name_of(tensor.dtype)} {shape_of(tensor.shape)}{rest} :{text_of(tensor)}')


def case(g, spec, shape, seed=1, dtype=torch.float32, hashed=False, more={}):
    """more: names that a SPEC may use besides."""
    torch.set_default_dtype(dtype)
    torch.manual_seed(seed)
    module = made(spec, more)
    g.count += 1
    g.lines.append(f'module {g.count} {seed} {name_of(dtype)} {spec}')
    for name, p in module.named_parameters():
        if hashed:
            g.lines.append(f'hashed {name} {p.numel()} {fnv(p.detach().numpy().tobytes()):x}')
        else:
            line(g, f'param {name}', p)
    line(g, 'next', torch.rand(1))
    if hashed:
        return
    x = g.values(shape, dtype).requires_grad_()
    y = module(x)
    line(g, 'in', x, ' grad')
    line(g, 'out', y)
    up = g.values(y.shape, dtype)
    y.backward(up)
    g.lines.append('up :' + text_of(up))
    g.lines.append('gradient :' + text_of(x.grad))
    for p in module.parameters():
        g.lines.append('paramgrad :' + text_of(p.grad))
