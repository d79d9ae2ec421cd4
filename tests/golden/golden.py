"""Writes golden files: what PyTorch computes for given inputs, forward and backward, as plain text.

The file of make_NAME.py is NAME.txt; tests/golden.h reads it. A case is

    case NUMBER OP [KEY=NUMBER[,NUMBER…] …]
    in DTYPE [SHAPE] [LAYOUT] [grad] : VALUES         an input; `grad` asks for its gradient
    in same=K                                         the K-th input once more
    out DTYPE [SHAPE] [stride=… offset=…] : VALUES    an output; for a view, how it lies on the first input
    text N                                            instead of outputs: the N lines that follow
    fails                                             instead of outputs: the operation is an error
    up : VALUES                                       the gradient that backward of the first output starts with
    grad K : VALUES                                   the gradient of the K-th input

Values are row-major, floats in the fewest digits that give them back. Inputs with `grad` but no `up` line: the
output must not require a gradient. A layout says how to make an input that is not contiguous from one that is:
`t=I,J` transposes dimensions, `s=D` takes every second element of dimension D beginning with the second, `o=D`
leaves out its first and last, `e=D` expands it.
"""
import os
import sys

import numpy
import torch

FLOATS = (torch.float32, torch.float64)
INTEGERS = (torch.int64, torch.int32, torch.uint8)
DTYPES = FLOATS + INTEGERS + (torch.bool,)

torch.set_num_threads(1)


def name_of(dtype):
    return str(dtype).removeprefix('torch.')


def text_of(tensor):
    """The elements, row-major, in the fewest digits that give them back."""
    flat = tensor.detach().reshape(-1)
    if flat.dtype in (torch.float16, torch.bfloat16):
        flat = flat.float()
    if not flat.dtype.is_floating_point:
        return ''.join(f' {int(v)}' for v in flat.tolist())
    digits = (numpy.format_float_scientific(v, trim='-', exp_digits=1).replace('e+0', '') for v in flat.numpy())
    plain = (min(str(v).removesuffix('.0'), d, key=len) for v, d in zip(flat.numpy(), digits))
    return ''.join(' ' + v for v in plain)


def shape_of(sizes):
    return '[' + ','.join(map(str, sizes)) + ']'


def parameter_text(value):
    if isinstance(value, (list, tuple)):
        return ','.join(map(parameter_text, value))
    return repr(float(value)).removesuffix('.0') if isinstance(value, float) else str(int(value))


class Input:
    """A tensor that an operation is given: its values, how they lie in memory, and whether it wants a gradient."""

    def __init__(self, values, layout='', grad=None):
        self.values = values
        self.layout = layout
        self.grad = values.dtype.is_floating_point if grad is None else grad

    def make(self):
        base = self.values.detach().clone(memory_format=torch.contiguous_format)
        kind, _, where = self.layout.partition('=')
        if kind == 't':
            i, j = map(int, where.split(','))
            base = base.transpose(i, j).contiguous().requires_grad_(self.grad)
            x = base.transpose(i, j)
        elif kind in ('s', 'o'):
            dim, n, step = int(where), base.shape[int(where)], 2 if kind == 's' else 1
            sizes = list(base.shape)
            sizes[dim] = 2 * n + 1 if kind == 's' else n + 2
            wide = torch.full(sizes, 77 if base.dtype != torch.bool else 1, dtype=base.dtype)
            picked = (slice(None),) * dim + (slice(1, 1 + step * n, step),)
            wide[picked] = base
            x = wide.requires_grad_(self.grad)[picked]
        elif kind == 'e':
            one = base.narrow(int(where), 0, 1)
            assert torch.equal(one.expand_as(base), base)
            x = one.clone(memory_format=torch.contiguous_format).requires_grad_(self.grad).expand_as(base)
        else:
            x = base.requires_grad_(self.grad)
        if self.grad and not x.is_leaf:
            x.retain_grad()
        return x

    def line(self):
        words = ['in', name_of(self.values.dtype), shape_of(self.values.shape)]
        words += [self.layout] if self.layout else []
        words += ['grad'] if self.grad else []
        return ' '.join(words) + ' :' + text_of(self.values)


class Same:
    """An input that is the `of`-th one once more."""

    def __init__(self, of):
        self.of = of

    def line(self):
        return f'in same={self.of}'


class Golden:
    def __init__(self, script):
        self.path = os.path.join(os.path.dirname(os.path.abspath(script)),
                                 os.path.basename(script).removeprefix('make_').removesuffix('.py') + '.txt')
        self.script = os.path.basename(script)
        self.lines = []
        self.count = 0
        self.random = torch.Generator().manual_seed(1)

    # -- inputs: few digits, so that files stay small --

    def values(self, shape, dtype=torch.float32, low=-2.0, high=2.0):
        """Random values with two digits behind the point; for integers in the same range."""
        if dtype.is_floating_point:
            x = torch.rand(shape, generator=self.random, dtype=torch.float64) * (high - low) + low
            return (torch.round(x * 100) / 100 + 0.0).to(dtype)  # never -0
        if dtype == torch.bool:
            return torch.rand(shape, generator=self.random) < 0.5
        low, high = int(low), int(high)
        return torch.randint(max(low, 0) if dtype == torch.uint8 else low, high + 1, shape,
                             generator=self.random).to(dtype)

    def input(self, shape, dtype=torch.float32, layout='', grad=None, **range_):
        values = self.values(shape, dtype, **range_)
        kind, _, where = layout.partition('=')
        if kind == 'e':
            values = values.narrow(int(where), 0, 1).expand(shape).contiguous()
        return Input(values, layout, grad)

    # -- cases --

    def begin(self, op, inputs, parameters):
        self.count += 1
        words = [f'case {self.count} {op}']
        words += [f'{key}={parameter_text(value)}' for key, value in parameters.items() if value is not None]
        self.lines.append(' '.join(words))
        self.lines += [x.line() for x in inputs]

    def case(self, op, function, inputs, view=False, upstream=None, **parameters):
        """Runs function(*tensors) and its backward; parameters are only written down. What torch refuses is a case
        that fails. view: the output must lie on the first input as torch's does."""
        made = []
        for x in inputs:
            made.append(made[x.of] if isinstance(x, Same) else x.make())
        self.begin(op, inputs, parameters)
        try:
            outputs = function(*made)
        except (RuntimeError, IndexError, ValueError) as error:
            if 'not implemented for' in str(error):
                raise
            self.lines.append('fails')
            return
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        for y in outputs:
            where = ''
            if view:
                where = (f' stride={",".join(map(str, y.stride()))}' if y.dim() else '') + \
                    f' offset={y.storage_offset() - made[0].storage_offset()}'
            self.lines.append(f'out {name_of(y.dtype)} {shape_of(y.shape)}{where} :{text_of(y)}')
        if outputs[0].requires_grad:
            up = self.values(outputs[0].shape, outputs[0].dtype) if upstream is None else upstream
            self.lines.append('up :' + text_of(up))
            outputs[0].backward(up)
            for k, (x, tensor) in enumerate(zip(inputs, made)):
                if isinstance(x, Input) and x.grad:
                    # No gradient is a zero one: torch leaves out what nothing depends on.
                    grad = torch.zeros_like(x.values) if tensor.grad is None else tensor.grad
                    self.lines.append(f'grad {k} :{text_of(grad)}')

    def fails(self, op, inputs, **parameters):
        """A case that Millrace refuses by its own contract, whatever torch does."""
        self.begin(op, inputs, parameters)
        self.lines.append('fails')

    def write(self):
        with open(self.path, 'w') as file:
            file.write(f'# Written by {self.script} with Debian 12\'s PyTorch 1.13.1. Do not edit.\n')
            file.write(f'cases {self.count}\n')
            file.write('\n'.join(self.lines) + '\nend\n')
        print(f'{self.path}: {self.count} cases', file=sys.stderr)
