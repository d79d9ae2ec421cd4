"""Writes follow_text.txt, as golden_follow.py describes it, of language models on the text of the GPL, version 3: each
character of a row is to tell the next. A character is its byte's place among the bytes that occur, in order; row i
begins at i * STEPS; rows that fill no batch are left out.
"""
import torch
from torch import nn

from golden import Golden
from golden_follow import source, train

STEPS = 32
f32, f64 = torch.float32, torch.float64
with open('/usr/share/common-licenses/GPL-3', 'rb') as file:
    text = file.read()
place = {byte: i for i, byte in enumerate(sorted(set(text)))}


class LSTM(nn.Module):
    def __init__(self, width, hidden, layers):
        super().__init__()
        self.tokens = nn.Embedding(len(place), width)
        self.lstm = nn.LSTM(width, hidden, layers, batch_first=True)
        self.out = nn.Linear(hidden, len(place))

    def forward(self, x):
        return self.out(self.lstm(self.tokens(x))[0])


class Transformer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(len(place), width), nn.Embedding(STEPS, width)
        self.layers = nn.ModuleList([nn.TransformerEncoderLayer(width, heads, 4 * width, 0.0, 'gelu', batch_first=True,
                                                                norm_first=True) for _ in range(2)])
        self.norm, self.out = nn.LayerNorm(width), nn.Linear(width, len(place))
        self.mask = torch.triu(torch.full((STEPS, STEPS), float('-inf')), 1)

    def forward(self, x):
        x = self.tokens(x) + self.positions(torch.arange(STEPS))
        for layer in self.layers:
            x = layer(x, self.mask)
        return self.out(self.norm(x))


MODELS = {  # type, model, batch
    'lstm_f64': (f64, lambda: LSTM(16, 32, 2), 8),
    'transformer_f64': (f64, lambda: Transformer(32, 4), 8),
    'lstm_f32': (f32, lambda: LSTM(32, 64, 1), 16),
    'transformer_f32': (f32, lambda: Transformer(32, 4), 16),
}
g = Golden(__file__)
source(g, text)
for name, (dtype, make, batch) in MODELS.items():
    rows = (len(text) - 1) // STEPS // batch * batch
    tokens = torch.tensor([place[byte] for byte in text[:rows * STEPS + 1]])
    train(g, name, dtype, make, lambda: (tokens[:-1].view(rows, STEPS), tokens[1:].view(rows, STEPS)), batch, 100)
g.write()
