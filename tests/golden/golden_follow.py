"""Writes files like follow.txt: the losses of models trained by torch, which the same models must follow step by step,
and states of torch's from which one step is taken.

    source BYTES HASH                        of data that is not drawn: their 64-bit FNV-1a hash
    follow NAME STEPS : LOSSES               before each update
    restart NAME STEP LOSS NEXT              the losses before the updates STEP (from 0) and STEP + 1
    state PARAMETER DTYPE [SHAPE] : VALUES   before the first; then its exp_avg and exp_avg_sq
    gradient DTYPE [SHAPE] : VALUES          of the first, for each parameter

Each begins with the seed 0; the model is drawn, then what its data need. Adam with a learning rate of 1e-3. Batches are taken
in order, again from the beginning at the end.
"""
import torch
import torch.nn.functional as F
from torch import nn

from golden import name_of, shape_of, text_of
from golden_modules import fnv


def mlp(*sizes, activation=nn.ReLU):
    layers = [nn.Linear(sizes[0], sizes[1])]
    for i, o in zip(sizes[1:], sizes[2:]):
        layers += [activation(), nn.Linear(i, o)]
    return nn.Sequential(*layers)


def source(g, raw):
    g.lines.append(f'source {len(raw)} {fnv(raw):x}')


def line(g, word, tensor):
    g.lines.append(f'{word} {name_of(tensor.dtype)} {shape_of(tensor.shape)} :{text_of(tensor)}')


def train(g, name, dtype, make, data, batch, steps, restarts=()):
    """make() is the model; data() its inputs and targets, of which int64 ones are classes."""
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    model = make()
    x, targets = data()
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for step in range(steps):
        at = step * batch % len(x)
        y, target = model(x[at:at + batch]), targets[at:at + batch]
        if y.dim() == 3:
            y, target = y.flatten(0, 1), target.flatten(0, 1)
        loss = F.mse_loss(y, target) if target.is_floating_point() else F.cross_entropy(y, target)
        adam.zero_grad()
        loss.backward()
        losses.append(loss.detach())
        if step - 1 in restarts:
            g.lines[begun] += text_of(loss)
        if step in restarts:
            g.count += 1
            begun = len(g.lines)
            g.lines.append(f'restart {name} {step}{text_of(loss)}')
            for key, p in model.named_parameters():
                line(g, f'state {key}', p.detach())
                line(g, f'state {key}.exp_avg', adam.state[p]['exp_avg'])
                line(g, f'state {key}.exp_avg_sq', adam.state[p]['exp_avg_sq'])
            for p in model.parameters():
                line(g, 'gradient', p.grad)
        adam.step()
    if not restarts:
        g.count += 1
        g.lines.append(f'follow {name} {steps} :{text_of(torch.stack(losses))}')
