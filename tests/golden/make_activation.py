"""leaky_relu prelu elu selu gelu gelu_tanh silu mish softplus hardtanh hardswish glu."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Golden, Input

g = Golden(__file__)
PLAIN = {
    'leaky_relu': [(lambda x: F.leaky_relu(x, 0.25), dict(slope=0.25)), (lambda x: F.leaky_relu(x, -0.5), dict(slope=-0.5))],
    'elu': [(lambda x: F.elu(x), dict(alpha=1)), (lambda x: F.elu(x, 0.25), dict(alpha=0.25))],
    'selu': [(F.selu, {})], 'gelu': [(F.gelu, {})], 'gelu_tanh': [(lambda x: F.gelu(x, approximate='tanh'), {})],
    'silu': [(F.silu, {})], 'mish': [(F.mish, {})], 'hardswish': [(F.hardswish, {})],
    'softplus': [(F.softplus, {}), (lambda x: F.softplus(x, 3, 2), dict(beta=3, threshold=2)), (lambda x: F.softplus(x, -0.5), dict(beta=-0.5))],
    'hardtanh': [(F.hardtanh, dict(low=-1, high=1)), (lambda x: F.hardtanh(x, 0, 6), dict(low=0, high=6))],
}
ENDS = [-1.0, 1.0, 0.0, 6.0, -3.0, 3.0, 20.0, 25.0, -20.0, -25.0, 1e-6, -1e-6, 60.0, -60.0, 7.0, -7.0, 5.5, -5.5, -9.0]

for dtype in FLOATS:
    for op, variants in PLAIN.items():
        for function, parameters in variants:
            for shape, layout in (([3, 7], ''), ([33], ''), ([2, 3], 't=0,1'), ([0], ''), ([], '')):
                g.case(op, function, [g.input(shape, dtype, layout)], **parameters)
            g.case(op, function, [g.input([40], dtype, low=-9, high=9)], **parameters)
            g.case(op, function, [Input(torch.tensor(ENDS, dtype=dtype))], upstream=torch.ones(len(ENDS), dtype=dtype), **parameters)
    for shape, count in (([2, 3], 3), ([2, 3], 1), ([2, 3, 5, 4], 3), ([2, 3, 5, 4], 1), ([7], 1), ([2, 3, 0], 3), ([0, 3], 1), ([2, 2, 19], 2)):
        g.case('prelu', F.prelu, [g.input(shape, dtype), g.input([count], dtype)])
    g.case('prelu', F.prelu, [g.input([2, 3, 4], dtype, 't=1,2'), g.input([3], dtype, 's=0')])
    g.case('prelu', F.prelu, [g.input([2, 3], dtype), g.input([2], dtype)])
    for shape, dim in (([3, 4], -1), ([4, 3], 0), ([2, 6, 5], 1), ([2], 0), ([3, 3], 1), ([0, 4], 1)):
        g.case('glu', lambda x: F.glu(x, dim), [g.input(shape, dtype)], dim=dim)
for op in PLAIN:
    g.fails(op, [g.input([3], torch.int64)], low=-1, high=1)
g.fails('glu', [g.input([3, 4])], dim=2)
g.fails('hardtanh', [g.input([3, 4])], low=1, high=-1)
g.fails('prelu', [g.input([3, 4]), g.input([4], torch.float64)])
g.write()
