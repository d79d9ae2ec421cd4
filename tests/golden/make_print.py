"""str() of tensors, as `print` cases (an input) and `ramp` cases (start + step*i in double, with single elements
replaced: `at` and `put`; then transposed: `dims`). `dtype` casts before printing. Instead of outputs a case has a
line `text N` and the N lines that torch prints."""
import math

import torch

from golden import DTYPES, FLOATS, INTEGERS, Golden, Input

INF, NAN = float('inf'), float('nan')
NUMBER = {dtype: number for number, dtype in enumerate(DTYPES + (torch.float16, torch.bfloat16, torch.int8, torch.int16))}
LOADED = (torch.float16, torch.bfloat16, torch.int8, torch.int16)

g = Golden(__file__)


def text_of(x):
    lines = str(x).split('\n')
    g.lines.append(f'text {len(lines)}')
    g.lines += lines


def printed(values, layout='', grad=False, dtype=None):
    """dtype: the type to print in, when it is another one than that of the values."""
    x = Input(values, layout, grad)
    g.begin('print', [x], {'dtype': None if dtype is None else NUMBER[dtype]})
    made = x.make()
    text_of(made if dtype is None else made.to(dtype))


def tensor(values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype)


def ramp(shape, start, step, dtype=torch.float32, at=(), put=(), dims=None):
    g.begin('ramp', [], {'shape': shape, 'start': float(start), 'step': float(step), 'dtype': NUMBER[dtype],
                         'at': list(at) or None, 'put': [float(v) for v in put] or None, 'dims': dims})
    x = start + step * torch.arange(math.prod(shape), dtype=torch.float64)
    for i, v in zip(at, put):
        x[i] = v
    x = x.reshape(shape).to(dtype)
    text_of(x.transpose(*dims) if dims else x)


# ---- the format of the numbers ----
NUMBERS = [
    [0], [-0.0], [1], [-1], [0.4242], [-0.4242], [0.00012345], [0.0001], [0.00009999], [1e-10], [1e-40], [1e5], [12345.678],
    [1e8], [1.00000001e8], [123456789], [-123456789], [1e20], [3e38], [INF], [-INF], [NAN], [0.5], [2.00005], [99999.99995],
    [0, 0, 0], [0.0, -0.0], [1, 2, 3], [1, -2, 3], [10, 200, 3000], [1, 1000], [1, 1001], [1, 1000.5], [0.1, 100], [0.1, 100.2],
    [1e-4, 0.1], [0.99e-4, 0.05], [1e-4, 0.05, 0], [0.5, 1.5, -2.5], [1.00005, 2.00015, 3.00025], [9.99996, 1], [0.99996, 0.5],
    [NAN, NAN], [INF, -INF, NAN], [NAN, 1], [NAN, 1.5], [INF, 1], [-INF, 1], [-INF, 1.5], [-INF, 100], [INF, 0], [NAN, 0.0, -0.0],
    [1e10, NAN], [1e10, -INF, 3], [1e-10, INF, NAN, 0], [-1e10, 1], [-1, 1e10], [1, 2, 1e9], [1e8, 1], [100000001, 99999999],
    [1e-7, 1e-7], [3e-5, 0], [16777216, 16777217], [1 / 3, 2 / 3], [math.pi * 100, 1], [1e-3, 1], [1.0e-3, 1.001], [1, 0, 0, 1000],
    [-0.00001, 5], [0.00001, 0.00002], [65504, 0.1], [1e4, 1e-1, 0], [-1000, 1, 0.5], [1000.5, 1.0005, 0], [5e-324, 1], [1e300, 1e299],
]
for values in NUMBERS:
    for dtype in FLOATS:
        printed(tensor(values, dtype))
    if len(values) == 1:
        for dtype in FLOATS:
            printed(tensor(values[0], dtype))
    for dtype in (torch.float16, torch.bfloat16):
        printed(tensor(values), dtype=dtype)
for value in (1e100, 1e-100, -1e-308, 1.7976931348623157e308, 5e-324, -123456.789e50):
    printed(tensor(value, torch.float64))
    printed(tensor([value, 1.0], torch.float64))
    printed(tensor([[value], [-value]], torch.float64))

WHOLE = {
    torch.int64: [[0], [-1], [2**63 - 1], [-(2**63)], [1, -10, 100], [2**63 - 1, -(2**63)], [2**53 + 1, 0], list(range(-12, 30))],
    torch.int32: [[0], [-1], [2**31 - 1], [-(2**31)], [1, -10, 100], [2**31 - 1, -(2**31)], list(range(-12, 30))],
    torch.uint8: [[0], [255], [1, 10, 100], list(range(0, 250, 7))],
    torch.bool: [[False], [True], [True, True], [True, False, True], [True, False] * 9],
}
for dtype, rows in WHOLE.items():
    for values in rows:
        printed(tensor(values, dtype))
        if len(values) == 1:
            printed(tensor(values[0], dtype))
for dtype in (torch.int8, torch.int16):
    for values in ([0], [-1], [127, -128], [1, 10, 100], list(range(-12, 30))):
        printed(tensor(values, torch.int64), dtype=dtype)
    printed(tensor(-7, torch.int64), dtype=dtype)
printed(tensor([32767, -32768], torch.int64), dtype=torch.int16)

# ---- no elements ----
for shape in ([0], [0, 3], [3, 0], [2, 0, 3], [0, 0], [1, 0, 1, 0, 1], [0] + [1] * 7, [2] * 7 + [0], [10**6, 0, 10**6],
              [10**5, 0, 10**6, 10**3]):
    for dtype in DTYPES:
        printed(torch.zeros(shape, dtype=dtype))
    for dtype in LOADED:
        printed(torch.zeros(shape), dtype=dtype)
    for dtype in FLOATS:
        printed(torch.zeros(shape, dtype=dtype), grad=True)

# ---- shapes ----
SHAPES = [[], [1], [2], [7], [15], [16], [17], [33], [100], [1, 1], [3, 5], [5, 3], [1, 7], [7, 1], [2, 3, 4], [1, 1, 1], [4, 1, 3],
          [3, 1, 1, 2], [2, 2, 2, 2], [1, 2, 1, 2, 1], [2, 1, 2, 1, 2, 1], [1, 2, 1, 1, 2, 1, 2], [1, 1, 2, 1, 2, 1, 2, 1],
          [2, 1, 1, 1, 1, 1, 1, 2], [1] * 8, [2, 17], [3, 12], [2, 2, 13]]
for shape in SHAPES:
    for dtype in DTYPES:
        printed(g.values(shape, dtype, low=-9, high=9))
    for dtype in LOADED:
        printed(g.values(shape, low=-9, high=9).trunc(), dtype=dtype)
    printed(g.values(shape, low=-9, high=9).round())
    printed(g.values(shape, low=-9e6, high=9e6))

# ---- where lines break, and what stands behind the last one ----
for n in range(1, 31):
    printed(tensor([7 * k - n for k in range(n)], torch.int32))
    printed(torch.arange(n))
    printed(torch.arange(n).to(torch.uint8))
    printed(torch.arange(n) % 3 == 0)
    printed(torch.arange(n) * 0.25 - 1)
    printed(torch.arange(n) * 0.25 - 1, grad=True)
    printed(torch.arange(n).to(torch.float64), grad=n % 2 == 0)
    printed(torch.arange(n).to(torch.float64) * 1e-9)
    printed(torch.arange(n).float() * 0.5, dtype=torch.bfloat16)
for width in range(1, 19):  # one number as wide as this
    for n in (1, 2, 3, 4, 5, 8, 9, 13, 26, 27):
        printed(torch.full([n], 10**(width - 1)))
    printed(torch.full([2, 3, 7], 10**(width - 1)))
for depth in range(1, 9):  # each bracket takes a column of the line
    printed(torch.full([1] * (depth - 1) + [40], 7, dtype=torch.int32))
    printed(torch.full([1] * (depth - 1) + [13], 0.5))
    printed(torch.full([1] * (depth - 1) + [13], 0.5, dtype=torch.float64), grad=True)

# ---- not contiguous ----
for dtype in DTYPES:
    for shape, layout in (([3, 5], 't=0,1'), ([3, 5], 's=0'), ([3, 5], 's=1'), ([3, 5], 'o=0'), ([3, 5], 'o=1'), ([3, 5], 'e=0'),
                          ([3, 5], 'e=1'), ([2, 3, 4], 't=0,2'), ([17], 's=0'), ([1], 's=0'), ([0, 3], 't=0,1'), ([3, 0], 's=0'),
                          ([2, 2, 2, 2], 't=1,3'), ([7], 'e=0'), ([2, 3], 'e=0')):
        x = g.input(shape, dtype, layout, grad=False, low=-9, high=9)
        printed(x.values, layout)

# ---- over 1,000 elements ----
LONG = [[1000], [1001], [1007], [5000], [1, 1001], [1001, 1], [7, 150], [6, 200], [5, 300], [2, 501], [3, 400], [10, 10, 11],
        [2, 3, 200], [200, 3, 2], [6, 6, 30], [7, 7, 30], [4, 300, 1], [1, 1, 1, 1100], [7, 1, 7, 30], [3, 3, 3, 40], [6, 6, 6, 6],
        [7, 7, 7, 7], [2] * 7 + [9], [9] + [2] * 7, [1, 2, 3, 1, 2, 3, 4, 8]]
for shape in LONG:
    ramp(shape, -3, 1, torch.int64)
    if len(shape) < 8:
        ramp(shape, 0, 0.125)
    if len(shape) < 3:
        ramp(shape, -50, 0.0625, torch.float64)
        ramp(shape, 1, 3, torch.int32)
        ramp(shape, 0, 1e-9)
        ramp(shape, -1, 1, torch.bool)
for shape in ([1001], [8, 150], [8, 9, 20]):
    for dtype in DTYPES + LOADED:
        ramp(shape, 0, 0.25 if dtype.is_floating_point else 1, dtype)
    # What is not shown does not count.
    for hidden in (0.5, 1e9, -1e12, 1e-9, NAN, INF):
        ramp(shape, 1, 0, at=[500], put=[hidden])
        ramp(shape, 1, 0, at=[2], put=[hidden])
        ramp(shape, 1, 0, at=[math.prod(shape) - 3, 500], put=[hidden, 7.25])
    ramp(shape, 1, 0, torch.int64, at=[500], put=[1e15])
    ramp(shape, 1, 0, torch.int64, at=[1], put=[-1e15])
for shape, dims in (([8, 150], [0, 1]), ([150, 8], [0, 1]), ([2, 8, 90], [0, 2]), ([8, 9, 20], [1, 2])):
    ramp(shape, 0, 1, torch.int32, dims=dims)
    ramp(shape, 0, 0.5, dims=dims)
for step in (1e-3, 7.77, 1e6, 123456789.0, 1e12):
    ramp([1500], 0, step)
    ramp([4, 300], -step, step, torch.float64)

# ---- by chance ----
for number in range(400):
    def random(low, high):
        return int(torch.randint(low, high, (1,), generator=g.random))
    shape = [random(1, 7 if random(0, 3) else 3) for _ in range(random(0, 5))]
    dtype = (DTYPES + FLOATS * 3)[random(0, 12)]
    if dtype.is_floating_point:
        x = torch.randn(shape, generator=g.random, dtype=torch.float64)
        if random(0, 2):
            x *= 10.0 ** torch.randint(-random(0, 7), random(1, 8), shape, generator=g.random)
        x = x * 10.0 ** random(-6, 10) if random(0, 2) else x
        x = torch.round(x) if not random(0, 3) else x
        for special in (0.0, -0.0, INF, -INF, NAN, 1.0):
            if not random(0, 8):
                x = torch.where(torch.rand(shape, generator=g.random) < 0.2, special, x)
        digits = random(1, 8)
        x = torch.tensor([float(f'{v:.{digits}g}') for v in x.reshape(-1).tolist()], dtype=torch.float64).reshape(shape)
        x = x.to(dtype)
    else:
        limit = 10 ** random(1, 10)
        x = torch.randint(-limit, limit, shape, generator=g.random).to(dtype)
    printed(x, grad=dtype in FLOATS and not random(0, 5))
g.write()
