#!/usr/bin/python3
"""Writes clip.txt: gradients after torch.nn.utils.clip_grad_norm_ and clip_grad_value_. A case has the gradients of two
parameters as inputs and the clipped ones as outputs; a third has none. `total` is the norm that torch gives back."""
import math

import torch
from torch.nn.utils import clip_grad_norm_, clip_grad_value_

from golden import Golden, Input, name_of, shape_of, text_of

g = Golden(__file__)
single, double = torch.float32, torch.float64


def parameters(inputs):
    made = []
    for x in inputs:
        p = torch.zeros_like(x.values).requires_grad_()
        p.grad = x.values.clone()
        made.append(p)
    return made


def finish(made, inputs):
    for p in made:
        g.lines.append(f'out {name_of(p.dtype)} {shape_of(p.shape)} :{text_of(p.grad)}')


def norm(inputs, max_norm, norm_type=None):
    made = parameters(inputs)
    p = 2. if norm_type is None else norm_type
    if len({x.values.dtype for x in inputs}) == 1:
        total = clip_grad_norm_(made + [torch.zeros(3).requires_grad_()], max_norm, p)
    else:  # torch works it out in float32 then; so in double
        wide = parameters([Input(x.values.double()) for x in inputs])
        total = clip_grad_norm_(wide, max_norm, p)
        for x, w in zip(made, wide):
            x.grad = w.grad.to(x.dtype)
    key = {'norm_type': norm_type} if norm_type is not None and not math.isinf(p) else {}
    g.begin('norm', inputs, dict(max_norm=float(max_norm), infinite=int(math.isinf(p)), total=float(total), **key))
    finish(made, inputs)


def value(inputs, clip_value):
    made = parameters(inputs)
    clip_grad_value_(made + [torch.zeros(3).requires_grad_()], clip_value)
    g.begin('value', inputs, dict(clip_value=float(clip_value)))
    finish(made, inputs)


def special(*values, dtype=single):
    return Input(torch.tensor(values, dtype=dtype))


for dtypes in ((single, single), (double, double), (double, single)):
    for shapes in (([7], []), ([3, 5], [67]), ([130], [0])):
        inputs = [g.input(s, d) for s, d in zip(shapes, dtypes)]
        for max_norm in (0.5, 1000, 0):
            for p in (None, 1., 2., 3., 0.5, math.inf):
                if 0 in shapes[1] and p == math.inf:
                    continue  # torch has no largest of none
                norm(inputs, max_norm, p)
        for v in (0.7, 1e-3, 5, 0):
            value(inputs, v)
inf, nan = math.inf, math.nan
for dtype in (single, double):
    for values in ((1, inf, -2), (nan, 1, 2), (1, -inf, nan), (0, 0, 0)):
        inputs = [special(*values, dtype=dtype), special(1, 2, dtype=dtype)]
        for p in (None, 1., 3., inf):
            norm(inputs, 1, p)
        value(inputs, 1.5)
g.write()
