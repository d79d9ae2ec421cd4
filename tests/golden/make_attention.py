"""Attention as a function, in torch's own operations: softmax(scale q k^T + mask) v.

`attention` has causal and scale; `attention_masked` has the mask as its fourth input, bool ones true where nothing is to be
seen, as torch.nn.MultiheadAttention has them. `attention_same` takes one input for all three. Rows that see nothing are
only among those without causal: there torch's mask makes NaN of keys that Millrace never looks at.
"""
import math

import torch

from golden import FLOATS, Golden, Input, Same


def attention(q, k, v, mask=None, causal=0, scale=None):
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    s = (q * scale) @ k.transpose(-2, -1)
    if mask is not None:
        s = s + (torch.zeros(mask.shape, dtype=q.dtype).masked_fill(mask, -math.inf) if mask.dtype == torch.bool else mask)
    if causal:
        s = s.masked_fill(torch.ones(s.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    return torch.softmax(s, -1) @ v


g = Golden(__file__)
for dtype in FLOATS:
    def run(q, k, v, layout='', **parameters):
        g.case('attention', lambda a, b, c: attention(a, b, c, None, **parameters),
               [g.input(q, dtype, layout), g.input(k, dtype), g.input(v, dtype)], **parameters)

    def masked(q, k, v, mask, **parameters):
        g.case('attention_masked', lambda a, b, c, m: attention(a, b, c, m, **parameters),
               [g.input(q, dtype), g.input(k, dtype), g.input(v, dtype), mask], **parameters)

    run([3, 4], [5, 4], [5, 2])
    run([1, 1], [1, 1], [1, 1])
    run([2, 3, 4], [2, 3, 4], [2, 3, 4])
    run([2, 2, 5, 3], [2, 2, 4, 3], [2, 2, 4, 6])
    run([2, 1, 2, 3, 2], [2, 1, 2, 3, 2], [2, 1, 2, 3, 2], causal=1)
    run([2, 4, 3], [2, 4, 3], [2, 4, 3], causal=1)
    run([1, 3, 2], [1, 6, 2], [1, 6, 2], causal=1)  # fewer rows than keys
    run([1, 6, 2], [1, 3, 2], [1, 3, 2], causal=1)  # more
    run([2, 3, 4], [2, 5, 4], [2, 5, 4], scale=0.3)
    run([2, 3, 4], [2, 5, 4], [2, 5, 4], scale=-1.0)
    run([2, 3, 4], [2, 5, 4], [2, 5, 4], layout='t=0,1')
    run([2, 3, 4], [2, 5, 4], [2, 5, 4], layout='s=2')
    run([50, 3], [19, 3], [19, 2])  # more than a block of rows, an odd number of keys
    run([51, 2], [51, 2], [51, 1], causal=1)
    run([1, 17, 19], [1, 35, 19], [1, 35, 18])
    run([0, 3, 4], [0, 3, 4], [0, 3, 4])
    run([2, 0, 4], [2, 3, 4], [2, 3, 4])
    run([2, 3, 4], [2, 0, 4], [2, 0, 4])
    run([2, 3, 4], [2, 3, 4], [2, 3, 0])
    run([2, 3, 0], [2, 3, 0], [2, 3, 2], scale=1.0)
    for causal in (0, 1):
        g.case('attention_same', lambda x, y, z, causal=causal: attention(x, y, z, None, causal),
               [g.input([2, 5, 3], dtype), Same(0), Same(0)], causal=causal)
    inf, x = math.inf, [2, 2, 3, 4]
    bools = torch.tensor([[0, 1, 0], [1, 1, 0], [0, 0, 0]], dtype=torch.bool)
    masked(x, x, x, Input(bools))
    masked(x, x, x, Input(torch.tensor([[1, 1, 1], [0, 1, 0], [0, 0, 1]], dtype=torch.bool)))  # a row sees nothing
    masked(x, x, x, Input(torch.tensor([[[[0, 1, 0]]], [[[0, 0, 1]]]], dtype=torch.bool)))  # as padding
    masked(x, x, x, Input(bools[:, :1].contiguous()))  # the same for all keys
    masked(x, x, x, g.input([3, 3], dtype))
    masked(x, x, x, g.input([2, 3, 3], dtype))
    masked(x, x, x, g.input([2, 1, 1, 3], dtype))
    masked(x, x, x, g.input([2, 2, 3, 3], dtype))
    masked(x, x, x, g.input([3, 1], dtype))
    masked(x, x, x, g.input([], dtype))
    masked(x, x, x, g.input([3, 3], dtype), causal=1)
    masked(x, x, x, Input(torch.tensor([[0, -inf, 0.5], [1, -inf, -inf], [0, 0, 0]], dtype=dtype), grad=False))
    masked([2, 2, 2, 3, 2], [2, 2, 2, 3, 2], [2, 2, 2, 3, 2], g.input([2, 1, 2, 3, 3], dtype))
    masked([2, 2, 2, 3, 2], [2, 2, 2, 3, 2], [2, 2, 2, 3, 2], g.input([2, 1, 2, 1, 1], dtype))
    masked([49, 2], [17, 2], [17, 2], g.input([49, 17], dtype))
    masked([3, 4], [5, 4], [5, 4], g.input([3, 4], dtype))  # fails
    run([3, 4], [5, 3], [5, 4])  # fails
    run([3, 4], [5, 4], [6, 4])  # fails
g.fails('attention', [g.input([3], torch.float32), g.input([3], torch.float32), g.input([3], torch.float32)])
g.fails('attention', [g.input([2, 3]), g.input([2, 3], torch.float64), g.input([2, 3])])
g.fails('attention', [g.input([2, 3], torch.int64), g.input([2, 3], torch.int64), g.input([2, 3], torch.int64)])
g.fails('attention_masked', [g.input([2, 3]), g.input([2, 3]), g.input([2, 3]), g.input([2, 2], torch.int64)])
for dtype in FLOATS:
    # Dimensions of size 1 in front of the heads, and masks of which some broadcast.
    for front, mask in (((2, 1, 1), (2, 1, 1)), ((2, 1, 3), (2, 1, 1)), ((3, 1, 1, 2), (3, 1, 1, 2)), ((2, 3, 1, 1), (2, 3, 1, 1)),
                        ((2, 3, 1, 1), (2, 1, 1, 1)), ((2, 3, 2), (1, 3, 1)), ((2, 2, 1, 2), (1, 2, 1, 2))):
        x = [*front, 2, 3]
        g.case('attention_masked', attention, [g.input(x, dtype), g.input(x, dtype), g.input(x, dtype), g.input([*mask, 2, 2], dtype)])
g.write()
