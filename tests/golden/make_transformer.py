"""MultiheadAttention, TransformerEncoderLayer and TransformerEncoder.

Attend(embed_dim,heads,OPTION=NUMBER…): the network is the member `net`. With keys=S and rows=N the keys and values are
parameters key and value, drawn by torch.rand behind the network; with same=1 the values are the keys. Without them it is
self-attention. Layer(width,heads,feedforward,…) and Encoder(width,heads,feedforward,layers,…) are the other two.

causal=1; padding=1: of row r the last r % S keys are not to be seen, 2: the same as a float mask; mask=1: bool, true where
(3 i + 5 j) % 4 = 1, 2: float, with ((i + 2 j) % 5 - 2) / 2, 3: float for each row and head, plus their number / 8.
dropout=1 is one of 0.5. weights=1: the mean weights are part of the result, 2: those of each head. The result is all
outputs, flat, one behind the other.
"""
import math

import torch
from torch import nn

from golden import FLOATS, Golden
from golden_modules import case


def masks_of(o, rows, heads, steps, keys, dtype):
    i, j = torch.arange(steps)[:, None], torch.arange(keys)[None, :]
    mask = padding = None
    if o.get('mask') == 1:
        mask = (3 * i + 5 * j) % 4 == 1
    elif o.get('mask'):
        mask = ((i + 2 * j) % 5 - 2).to(dtype) / 2
        if o['mask'] == 3:
            mask = mask + torch.arange(rows * heads, dtype=dtype)[:, None, None] / 8
    if o.get('causal'):
        hidden = torch.zeros(steps, keys, dtype=dtype).masked_fill(j > i, -math.inf)
        if mask is None:
            mask = hidden
        else:
            mask = (torch.zeros(mask.shape, dtype=dtype).masked_fill(mask, -math.inf) if mask.dtype == torch.bool else mask) + hidden
    if o.get('padding'):
        padding = torch.arange(keys)[None, :] >= keys - torch.arange(rows)[:, None] % keys
        if o['padding'] == 2:
            padding = torch.zeros(rows, keys, dtype=dtype).masked_fill(padding, -math.inf)
    return mask, padding


class Attend(nn.Module):
    def __init__(self, size, heads, keys=0, rows=0, same=0, bias=1, kdim=None, vdim=None, batch_first=0, dropout=0, **o):
        super().__init__()
        self.net = nn.MultiheadAttention(size, heads, dropout=dropout * 0.5, bias=bool(bias), kdim=kdim, vdim=vdim,
                                         batch_first=bool(batch_first))
        self.o, self.keys, self.same = o, keys, same
        if keys:
            def draw(features):
                shape = [rows, keys] if batch_first else [keys, rows]
                return nn.Parameter(torch.rand((*shape, features) if rows else (keys, features)))
            self.key = draw(kdim or size)
            if not same:
                self.value = draw(vdim or size)

    def forward(self, x):
        key = self.key if self.keys else x
        value = key if self.same or not self.keys else self.value
        first = self.net.batch_first
        rows, steps = (1, x.shape[0]) if x.dim() == 2 else (x.shape[1 - first], x.shape[int(first)])
        mask, padding = masks_of(self.o, rows, self.net.num_heads, steps, self.keys or steps, x.dtype)
        if padding is not None and x.dim() == 2:
            padding = padding[0]
        w = self.o.get('weights', 0)
        if padding is not None and padding.dtype != torch.bool and mask is not None:
            raise ValueError('torch takes no two float masks')
        y, weights = self.net(x, key, value, attn_mask=mask, key_padding_mask=padding, need_weights=w > 0,
                              average_attn_weights=w < 2)
        return torch.cat([y.reshape(-1), weights.reshape(-1)]) if w else y.reshape(-1)


class Stack(nn.Module):
    def __init__(self, net, o):
        super().__init__()
        self.net, self.o = net, o

    def forward(self, x):
        layer = self.net.layers[0] if isinstance(self.net, nn.TransformerEncoder) else self.net
        first, heads = layer.self_attn.batch_first, layer.self_attn.num_heads
        rows, steps = (1, x.shape[0]) if x.dim() == 2 else (x.shape[1 - first], x.shape[int(first)])
        mask, padding = masks_of(self.o, rows, heads, steps, steps, x.dtype)
        return self.net(x, mask, src_key_padding_mask=padding).reshape(-1)


def layer_of(width, heads, feedforward, gelu=0, norm_first=0, batch_first=0, dropout=0, eps=0):
    return nn.TransformerEncoderLayer(width, heads, feedforward, dropout * 0.5, 'gelu' if gelu else 'relu',
                                      0.01 if eps else 1e-5, bool(batch_first), bool(norm_first))


def options(o):
    return {k: o.pop(k) for k in ('causal', 'mask', 'padding') if k in o}


def layer(width, heads, feedforward, **o):
    shown = options(o)
    return Stack(layer_of(width, heads, feedforward, **o), shown)


def encoder(width, heads, feedforward, layers, norm=0, **o):
    shown = options(o)
    return Stack(nn.TransformerEncoder(layer_of(width, heads, feedforward, **o), layers, nn.LayerNorm(width) if norm else None), shown)


WORDS = {'Attend': Attend, 'Layer': layer, 'Encoder': encoder}

g = Golden(__file__)
for dtype in FLOATS:
    def run(spec, shape, dtype=dtype):
        case(g, spec, shape, 5, dtype, more=WORDS)
    run('Attend(4,2)', [3, 2, 4])
    run('Attend(1,1)', [1, 1, 1])
    run('Attend(6,3,batch_first=1)', [2, 5, 6])
    run('Attend(4,2)', [3, 4])
    run('Attend(4,2,batch_first=1,padding=1,causal=1)', [3, 4])
    run('Attend(4,1,bias=0)', [3, 2, 4])
    run('Attend(4,2,kdim=3,vdim=5,keys=4,rows=2)', [3, 2, 4])
    run('Attend(4,2,kdim=3,vdim=3,keys=4,rows=2,same=1,batch_first=1)', [2, 3, 4])
    run('Attend(4,2,vdim=3,keys=4,rows=2,bias=0)', [3, 2, 4])
    run('Attend(4,2,keys=5,rows=2)', [3, 2, 4])
    run('Attend(4,2,keys=5,rows=2,same=1,batch_first=1)', [2, 3, 4])
    run('Attend(4,2,keys=5)', [3, 4])
    for more in ('', ',batch_first=1'):
        every = ('causal=1', 'mask=1', 'mask=2', 'mask=3', 'padding=1', 'padding=2', 'mask=1,padding=1',
                      'mask=2,padding=1', 'causal=1,padding=1', 'causal=1,mask=3')
        for masks in every if not more else every[3::2]:
            run(f'Attend(4,2,{masks}{more})', [3, 2, 4] if not more else [2, 3, 4])
    run('Attend(4,2,keys=5,rows=3,mask=3,padding=1)', [4, 3, 4])
    run('Attend(4,2,dropout=1)', [3, 2, 4])
    run('Attend(4,2,dropout=1,causal=1,batch_first=1)', [2, 5, 4])
    run('Attend(4,2,weights=1)', [3, 2, 4])
    run('Attend(4,2,weights=2,batch_first=1,causal=1,dropout=1)', [2, 3, 4])
    run('Attend(4,2,weights=1,mask=1,padding=1)', [3, 2, 4])
    run('Attend(4,2,weights=2,keys=5)', [3, 4])
    run('Layer(4,2,6)', [3, 2, 4])
    run('Layer(4,2,6,batch_first=1,gelu=1)', [2, 3, 4])
    run('Layer(4,2,6,norm_first=1,gelu=1,eps=1,causal=1)', [3, 2, 4])
    run('Layer(4,2,6,norm_first=1,dropout=1)', [3, 2, 4])
    run('Layer(4,2,6,dropout=1,padding=1)', [3, 2, 4])
    run('Layer(4,2,6,eps=1)', [3, 4])
    run('Encoder(4,2,3,2)', [3, 2, 4])
    run('Encoder(4,2,3,2,norm=1,causal=1,norm_first=1,batch_first=1)', [2, 3, 4])
    run('Encoder(4,2,3,1,norm=1,mask=3,padding=1)', [3, 2, 4])
    case(g, 'Attend(64,4)', None, 7, dtype, hashed=True, more=WORDS)
    case(g, 'Attend(64,4,kdim=40,vdim=50)', None, 7, dtype, hashed=True, more=WORDS)
    case(g, 'Layer(64,4,96)', None, 7, dtype, hashed=True, more=WORDS)
g.write()
