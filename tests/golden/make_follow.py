"""Writes follow.txt: the losses of models trained by torch, which the same models here must follow step by step, and
states of torch's from which one step is taken.

    follow NAME STEPS : LOSSES               before each update
    restart NAME STEP LOSS NEXT              the losses before the updates STEP (from 0) and STEP + 1
    state PARAMETER DTYPE [SHAPE] : VALUES   before the first; then its exp_avg and exp_avg_sq
    gradient DTYPE [SHAPE] : VALUES          of the first, for each parameter

Each begins with the seed 0. The model is drawn, then the inputs, then the targets; NAME is a line of the table in
ops/test_follow.c, which says the same as MODELS here. Batches are taken in order, again from the beginning at the end.
"""
import torch
import torch.nn.functional as F
from torch import nn

from golden import Golden, name_of, shape_of, text_of

f32, f64 = torch.float32, torch.float64


class LastLSTM(nn.Module):
    def __init__(self, features, hidden, out, layers):
        super().__init__()
        self.lstm = nn.LSTM(features, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, out)

    def forward(self, x):
        return self.out(self.lstm(x)[0][:, -1])


class CausalTransformer(nn.Module):
    """Two layers on projected inputs; the last step is classified."""
    def __init__(self, features, width, heads, steps, classes):
        super().__init__()
        self.inputs = nn.Linear(features, width)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(width, heads, 2 * width, 0.0, 'gelu', batch_first=True,
                                                                norm_first=True) for _ in range(2)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, classes)
        self.mask = torch.triu(torch.full((steps, steps), float('-inf')), 1)

    def forward(self, x):
        x = self.inputs(x)
        for layer in self.layers:
            x = layer(x, self.mask)
        return self.out(self.norm(x))[:, -1]


def mlp(*sizes, activation=nn.ReLU):
    layers = [nn.Linear(sizes[0], sizes[1])]
    for i, o in zip(sizes[1:], sizes[2:]):
        layers += [activation(), nn.Linear(i, o)]
    return nn.Sequential(*layers)


def norm_cnn():
    return nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.AvgPool2d(2),
                         nn.Conv2d(6, 8, 3, stride=2, bias=False), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 10))


def pool_cnn(first=8, second=16):
    return nn.Sequential(nn.Conv2d(1, first, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(first, second, 3, padding=1), nn.ReLU(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(second * 9, 10))


MODELS = {  # type, model, inputs, classes (0: a value for mse_loss), batch
    'mlp_f64': (f64, lambda: mlp(20, 64, 32, 5), (320, 20), 5, 32),
    'cnn_f64': (f64, norm_cnn, (160, 1, 12, 12), 10, 16),
    'lstm_f64': (f64, lambda: LastLSTM(5, 16, 1, 2), (160, 12, 5), 0, 16),
    'transformer_f64': (f64, lambda: CausalTransformer(6, 16, 4, 10, 5), (160, 10, 6), 5, 16),
    'lstm_f32': (f32, lambda: LastLSTM(8, 32, 1, 1), (320, 24, 8), 0, 32),
    'mlp_f32': (f32, lambda: mlp(784, 128, 10), (640, 784), 10, 64),
    'transformer_f32': (f32, lambda: CausalTransformer(8, 32, 4, 24, 10), (320, 24, 8), 10, 32),
    'pool_cnn_f32': (f32, pool_cnn, (160, 1, 12, 12), 10, 16),
    'wide_mlp_f32': (f32, lambda: mlp(8, 64, 4), (320, 8), 4, 32),
    'small_cnn_f32': (f32, lambda: pool_cnn(3, 4), (160, 1, 12, 12), 10, 16),
}
g = Golden(__file__)


def line(word, tensor):
    g.lines.append(f'{word} {name_of(tensor.dtype)} {shape_of(tensor.shape)} :{text_of(tensor)}')


def train(name, steps, restarts=()):
    dtype, make, shape, classes, batch = MODELS[name]
    torch.set_default_dtype(dtype)
    torch.manual_seed(0)
    model = make()
    x = torch.rand(shape)
    target = torch.randint(0, classes, shape[:1]) if classes else torch.rand(shape[0], 1)
    adam = torch.optim.Adam(model.parameters(), 1e-3)
    losses = []
    for step in range(steps):
        at = step * batch % shape[0]
        y = model(x[at:at + batch])
        loss = F.cross_entropy(y, target[at:at + batch]) if classes else F.mse_loss(y, target[at:at + batch])
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
                line(f'state {key}', p.detach())
                line(f'state {key}.exp_avg', adam.state[p]['exp_avg'])
                line(f'state {key}.exp_avg_sq', adam.state[p]['exp_avg_sq'])
            for p in model.parameters():
                line('gradient', p.grad)
        adam.step()
    if not restarts:
        g.count += 1
        g.lines.append(f'follow {name} {steps} :{text_of(torch.stack(losses))}')


for name in ('mlp_f64', 'cnn_f64', 'lstm_f64', 'transformer_f64', 'lstm_f32', 'mlp_f32', 'transformer_f32'):
    train(name, 100)
train('pool_cnn_f32', 5)
for name in ('wide_mlp_f32', 'small_cnn_f32'):
    train(name, 102, (10, 50, 100))
g.write()
