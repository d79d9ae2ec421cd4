#!/usr/bin/python3
"""Writes averages.txt: averages of weights by torch.optim.swa_utils. A case has the weights of each step as its first input,
a row for each, and the buffers as its second; the outputs are the averages of both after each step.

    ema decay=D [use_buffers=1]     avg_fn: decay * average + (1 - decay) * weight
    swa                             the mean, as AveragedModel makes it without an avg_fn
"""
import torch
from torch.optim.swa_utils import AveragedModel

from golden import Golden, name_of, shape_of, text_of

g = Golden(__file__)


class Model(torch.nn.Module):
    def __init__(self, weights, buffers):
        super().__init__()
        self.weight = torch.nn.Parameter(weights.clone())
        self.register_buffer('buffer', buffers.clone())


def average(op, dtype, steps, use_buffers, **parameters):
    weights, buffers = g.input([steps, 7], dtype, grad=False), g.input([steps, 3], dtype, grad=False)
    decay = parameters.get('decay')
    avg_fn = None if decay is None else lambda average, weight, n: decay * average + (1 - decay) * weight
    model = Model(weights.values[0], buffers.values[0])
    averaged = AveragedModel(model, avg_fn=avg_fn, use_buffers=use_buffers)
    rows = [[], []]
    for i in range(steps):
        with torch.no_grad():
            model.weight.copy_(weights.values[i])
            model.buffer.copy_(buffers.values[i])
        averaged.update_parameters(model)
        rows[0].append(averaged.module.weight.detach().clone())
        rows[1].append((averaged.module if use_buffers else model).buffer.clone())
    g.begin(op, [weights, buffers], dict(use_buffers=1 if use_buffers else None, **parameters))
    for row in rows:
        y = torch.stack(row)
        g.lines.append(f'out {name_of(dtype)} {shape_of(y.shape)} :{text_of(y)}')


for dtype in (torch.float32, torch.float64):
    for use_buffers in (False, True):
        for decay in (0.9, 0.999, 0.0, 1.0):
            average('ema', dtype, 6, use_buffers, decay=decay)
    average('swa', dtype, 6, False)
g.write()
