"""Writes follow.txt, as golden_follow.py describes it, of models on generated data: inputs are drawn behind the model, then
targets. NAME is a line of the table in ops/test_follow.c, which says the same as MODELS here.
"""
import torch
from torch import nn

from golden import Golden
from golden_follow import mlp, train

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


def run(name, steps, restarts=()):
    dtype, make, shape, classes, batch = MODELS[name]

    def data():
        return torch.rand(shape), torch.randint(0, classes, shape[:1]) if classes else torch.rand(shape[0], 1)

    train(g, name, dtype, make, data, batch, steps, restarts)


for name in ('mlp_f64', 'cnn_f64', 'lstm_f64', 'transformer_f64', 'lstm_f32', 'mlp_f32', 'transformer_f32'):
    run(name, 100)
run('pool_cnn_f32', 5)
for name in ('wide_mlp_f32', 'small_cnn_f32'):
    run(name, 102, (10, 50, 100))
g.write()
