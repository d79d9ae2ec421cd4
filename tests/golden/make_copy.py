"""scalar full cast clone contiguous detach."""
import torch

from golden import DTYPES, FLOATS, Golden, Input

INF, NAN = float('inf'), float('nan')
NUMBER = {dtype: number for number, dtype in enumerate(DTYPES + (torch.float16, torch.bfloat16, torch.int8, torch.int16))}
LAYOUTS = [([3, 5], ''), ([], ''), ([1], ''), ([17], ''), ([0], ''), ([2, 0, 3], ''), ([2, 1, 3, 1, 2], ''), ([3, 5], 't=0,1'),
           ([3, 7], 's=1'), ([7, 3], 's=0'), ([3, 5], 'o=0'), ([3, 5], 'e=0'), ([3, 5], 'e=1'), ([2, 3, 5], 't=0,2'), ([1, 5], 't=0,1')]

g = Golden(__file__)
for dtype in DTYPES:
    values = [0.1, -0.0, 1e-40, INF, -INF, NAN, 1 / 3, -7.0] if dtype.is_floating_point else \
        [0.0, 1.0] if dtype == torch.bool else [0.0, 1.0, 200.0] if dtype == torch.uint8 else [0.0, 1.0, -7.0, 2e9]
    for value in values:
        g.case('scalar', lambda: torch.tensor(value, dtype=dtype), [], dtype=NUMBER[dtype], value=value)
        for shape in ([3, 5], [], [0], [17], [2, 0, 3]) if value == values[0] else ([1, 2],):
            g.case('full', lambda: torch.full(shape, value, dtype=dtype), [], dtype=NUMBER[dtype], shape=shape, value=value)
g.fails('full', [], dtype=0, shape=[3, -1], value=1.0)

for a in DTYPES:
    for b in NUMBER:
        for shape, layout in LAYOUTS if b in FLOATS + (torch.int64,) else LAYOUTS[:2] + LAYOUTS[7:9]:
            low, high = (0.0, 120.0) if b == torch.uint8 else (-120.0, 120.0)
            x = g.input(shape, a, layout, low=low, high=high)
            x.grad = x.grad and b in FLOATS
            # Gradients that lose digits on the way back show that they went through the other type.
            up = torch.randn(shape, generator=g.random, dtype=torch.float64).to(b) if b in FLOATS else None
            g.case('cast', lambda x: x.to(b), [x], upstream=up, dtype=NUMBER[b])
for a in FLOATS:
    some = torch.tensor([NAN, INF, -INF, -0.0, 1e-45, 1e39, 0.1, 65504.0, 65520.0, 1e-8, 6e-8, 3.3895314e38], dtype=a)
    for b in FLOATS + (torch.float16, torch.bfloat16, torch.bool):
        g.case('cast', lambda x: x.to(b), [Input(some, grad=False)], dtype=NUMBER[b])
    some = torch.tensor([0.9, -0.9, 1.5, -1.5, 2.5, 127.99], dtype=a)
    for b in (torch.int64, torch.int32, torch.int8, torch.int16):
        g.case('cast', lambda x: x.to(b), [Input(some, grad=False)], dtype=NUMBER[b])
some = torch.tensor([2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**24 + 1, 2**32 + 5, -1, 256, 511, 0])
for b in NUMBER:  # integers wrap round
    g.case('cast', lambda x: x.to(b), [Input(some)], dtype=NUMBER[b])

for op, function in (('clone', lambda x: x.clone(memory_format=torch.contiguous_format)), ('contiguous', torch.Tensor.contiguous)):
    for dtype in DTYPES:
        for shape, layout in LAYOUTS:
            g.case(op, function, [g.input(shape, dtype, layout)])
    for dtype in FLOATS:
        g.case(op, function, [Input(torch.tensor([NAN, INF, -0.0], dtype=dtype))])
        g.case(op, function, [g.input([3], dtype, grad=False)])
for dtype in DTYPES:
    for shape, layout in LAYOUTS:
        g.case('detach', torch.detach, [g.input(shape, dtype, layout)], view=True)
g.write()
