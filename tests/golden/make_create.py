"""zeros ones full scalar arange linspace rand randn randint randperm, as mr_tensor_… makes them.

arange and linspace of floating types (and linspace of integers) have the values of the formula that torch 2 uses: each
one with one rounding. PyTorch 1.13 counts within vectors of lanes from the first one, which is rounded, and so is off
by up to 2 units in the last place of the largest value, of integers by 1. Shorter than two vectors the two agree: that is asserted.

Draws come with `seed`; `before` values of torch.randn are drawn first, so that an odd number leaves one behind;
`state` is the 64-bit FNV-1a hash of the generator's state afterwards, its halves.
"""
import math
from fractions import Fraction

import numpy
import torch

from golden import DTYPES, FLOATS, INTEGERS, Golden, name_of, shape_of, text_of

INF, NAN = float('inf'), float('nan')
LOADED = (torch.float16, torch.bfloat16, torch.int8, torch.int16)
NUMBER = {dtype: number for number, dtype in enumerate(DTYPES + LOADED)}
SEEDS = [0, 1, 42, 1234, 2**32 - 1]

g = Golden(__file__)


def put(op, function, **parameters):
    """What function() gives, or a failure when torch refuses."""
    dtype = parameters.get('dtype')
    if dtype is not None:
        parameters['dtype'] = NUMBER[dtype]
    try:
        x = function()
    except (RuntimeError, ValueError, TypeError, OverflowError):
        x = None
    g.begin(op, [], parameters)
    g.lines.append('fails' if x is None else f'out {name_of(x.dtype)} {shape_of(x.shape)} :{text_of(x)}')
    return x is not None


# ---- one value ----
SHAPES = [[], [1], [7], [3, 5], [17], [0], [3, 0, 2], [2, 1, 2, 1, 1, 1, 1, 2]]
for dtype in DTYPES + LOADED:
    for shape in SHAPES:
        put('zeros', lambda: torch.zeros(shape, dtype=dtype), dtype=dtype, shape=shape)
        put('ones', lambda: torch.ones(shape, dtype=dtype), dtype=dtype, shape=shape)
    values = [-0.0, 0.1, -7.25, INF, -INF, NAN, 1 / 3] if dtype.is_floating_point else [0.0, 1.0, 2.75] if dtype == torch.bool \
        else [0.0, 3.75, 100.0] if dtype == torch.uint8 else [0.0, 3.75, -100.0]
    for value in values:
        put('full', lambda: torch.full([3, 2], value, dtype=dtype), dtype=dtype, shape=[3, 2], value=value)
        put('full', lambda: torch.full([0], value, dtype=dtype), dtype=dtype, shape=[0], value=value)
        put('scalar', lambda: torch.full([], value, dtype=dtype), dtype=dtype, value=value)
for op in ('zeros', 'ones', 'full', 'rand', 'randn'):
    g.begin(op, [], {'dtype': 0, 'shape': [3, -1], 'value': 1.0, 'seed': 1})
    g.lines.append('fails')

# ---- ranges ----


def rounded(x, dtype):
    """A fraction, rounded once."""
    value = float(x)
    if dtype != torch.float32:
        return value
    near = numpy.float32(value)
    around = (near, numpy.nextafter(near, numpy.float32(INF)), numpy.nextafter(near, numpy.float32(-INF)))
    return float(min(around, key=lambda v: abs(Fraction(float(v)) - x)))


def lanes(dtype):
    return 32 // dtype.itemsize if hasattr(dtype, 'itemsize') else 32 // torch.empty(0, dtype=dtype).element_size()


def agree(want, torchs, dtype):
    """Checks the formula against what torch gives, and takes it."""
    want = torch.tensor(want, dtype=dtype)
    if len(want) < 2 * lanes(dtype):
        assert torch.equal(want, torchs), (want, torchs)
    elif dtype.is_floating_point:
        unit = float(numpy.spacing(torchs.abs().max().numpy()))
        assert (want.double() - torchs.double()).abs().max() <= 2 * unit, (want, torchs)
    else:
        assert (want.long() - torchs.long()).abs().max() <= 1, (want, torchs)
    return want


def arange(start, end, step, dtype):
    def make():
        x = torch.arange(start, end, step, dtype=dtype)
        if dtype not in FLOATS:
            return x
        return agree([rounded(Fraction(start) + Fraction(step) * i, dtype) for i in range(len(x))] if abs(step) != INF else [], x, dtype)
    put('arange', make, dtype=dtype, start=float(start), end=float(end), step=float(step))


RANGES = [(0, 10, 1), (0, 5, 2), (5, 0, -1), (3, 3, 1), (3, 3, -1), (-3, 3, 1), (0, 33, 1), (7, -26, -1), (0, 100, 7), (0, 50, 1.5),
          (0, 1, 0.1), (1, 0, -0.1), (-1, 1, 0.125), (0.5, 5.5, 1.5), (0.9, 3.1, 1), (2.7, -2.7, -1.3), (5, 0, -1.5), (0, 10, 0.1),
          (-3, 7, 0.37), (5, -5, -0.3), (1e5, 1.0e5 + 10, 0.3), (0, 1e-3, 1e-4), (0, 5, 1.0000001), (1, 2, 5), (0, 0.5, 1),
          (1, 0.5, -1), (0, 256, 17), (-1, -2, -0.25), (0.25, 20, 0.7), (1, 1.5, 0.3)]
WRONG = [(0, 5, -1), (0.5, 1.2, -1), (INF, INF, 1), (0, INF, INF), (-INF, 0, INF), (1e300, -1e300, 1), (5, 0, 1), (1, 0.5, 1), (0, 0.5, -1), (0, 1, 0), (0, INF, 1), (-INF, 0, 1), (NAN, 1, 1), (0, NAN, 1), (0, 1, NAN)]
for dtype in FLOATS + INTEGERS + (torch.int8, torch.int16):
    for start, end, step in RANGES:
        arange(start, end, step, dtype)
    for start, end, step in WRONG:
        arange(start, end, step, dtype)
for dtype in FLOATS:
    for start, end, step in ((0, 5, INF), (0, -5, -INF), (-0.0, 3, 1), (2**24, 2**24 + 9, 1), (0, 1e-9, 1), (1e30, 2e30, 1e29)):
        arange(start, end, step, dtype)
for start, end, step in ((0, 300, 37), (-300, 300, 100), (0, 2**40, 2**37), (2**52, 2**52 + 5, 1), (-(2**61), 2**61, 2**60)):
    for dtype in INTEGERS + (torch.int8, torch.int16):  # wraps round where the type is small
        arange(start, end, step, dtype)
arange(0, 5, 1, torch.bool)  # fails


def linspace(start, end, steps, dtype):
    def make():
        x = torch.linspace(start, end, steps, dtype=dtype)
        if not len(x):
            return x
        whole = not dtype.is_floating_point
        low, high = (math.trunc(start), math.trunc(end)) if whole else (float(x.new_tensor(start)), float(x.new_tensor(end)))
        width = high - low if whole else float(x.new_tensor(high) - x.new_tensor(low))
        step = float(width / (steps - 1) if whole else x.new_tensor(width) / (steps - 1)) if steps > 1 else 0.0
        values = [rounded(Fraction(low) + Fraction(step) * i if i < steps // 2 else Fraction(high) - Fraction(step) * (steps - 1 - i), dtype)
                  for i in range(steps)] if steps > 1 else [low]
        return agree([math.trunc(v) for v in values] if whole else values, x, dtype)
    put('linspace', make, dtype=dtype, start=float(start), end=float(end), steps=steps)


for dtype in FLOATS + INTEGERS + (torch.int8, torch.int16):
    for start, end in ((0, 1), (0, 10), (3, 3), (100, 7), (0.5, 5.5), (2.9, 60.2)):
        for steps in (0, 1, 2, 3, 4, 5, 7, 16, 17, 33, 100):
            linspace(start, end, steps, dtype)
    if dtype != torch.uint8:
        for start, end in ((-1, 1), (-3.7, 2.2), (5, -100)):
            for steps in (1, 2, 3, 6, 7, 16, 17, 50):
                linspace(start, end, steps, dtype)
    linspace(0, 1, -1, dtype)
    if not dtype.is_floating_point:
        linspace(0, 1e30, 3, dtype)
        linspace(NAN, 1, 3, dtype)
        linspace(1, -INF, 3, dtype)
linspace(0, 1, 3, torch.bool)
for dtype, end in ((torch.uint8, 256), (torch.int8, 128), (torch.int8, -129), (torch.int16, 32768), (torch.int32, 2**31)):
    linspace(0, end, 2, dtype)
    linspace(0, end - 1 if end > 0 else end + 1, 2, dtype)
    linspace(end, 0, 1, dtype)
for dtype in FLOATS:
    linspace(-1e-3, 1e5, 23, dtype)
    linspace(1e30, -1e30, 10, dtype)
    linspace(0, 1, 1024, dtype)

# ---- draws ----


def drawn(op, function, seed, before=0, **parameters):
    torch.manual_seed(seed)
    if before:
        torch.randn(before)
    made = put(op, function, seed=seed, before=before or None, **parameters)
    if made:
        value = 0xCBF29CE484222325
        for byte in torch.get_rng_state().numpy().tobytes():
            value = (value ^ byte) * 0x100000001B3 % 2**64
        at = -2  # the line of the case
        g.lines[at] += f' state={value >> 32},{value % 2**32}'


SIZES = [[], [0], [1], [2], [3], [15], [16], [17], [31], [32], [33], [3, 5], [4, 4], [2, 3, 5], [0, 3], [1, 1, 1, 1, 1, 1, 1, 3]]
for seed in SEEDS:
    for dtype in FLOATS:
        for op, function in (('rand', torch.rand), ('randn', torch.randn)):
            for shape in SIZES if seed in (0, 42) else SIZES[4:8] + SIZES[11:13]:
                drawn(op, lambda: function(shape, dtype=dtype), seed, dtype=dtype, shape=shape)
            for before in (1, 2, 3, 17):
                for shape in ([3], [16], [19]):
                    drawn(op, lambda: function(shape, dtype=dtype), seed, before, dtype=dtype, shape=shape)
    for count in (0, 1, 2, 5, 15, 16, 17, 100):
        drawn('randperm', lambda: torch.randperm(count), seed, count=count)
    drawn('randperm', lambda: torch.randperm(7), seed, 3, count=7)
for op, function in (('rand', torch.rand), ('randn', torch.randn)):
    for dtype in INTEGERS + (torch.bool,):
        drawn(op, lambda: function([3], dtype=dtype), 1, dtype=dtype, shape=[3])  # fails

INTS = [(0, 10), (-5, 5), (0, 2), (7, 8), (0, 2**20), (-(2**31), 2**31), (0, 2**32), (0, 2**40), (-(2**62), 2**62)]
for seed in SEEDS[:3]:
    for dtype in DTYPES + (torch.int8, torch.int16):
        for low, high in INTS:
            for shape in ([], [5], [3, 7]) if high < 2**31 else ([5],):
                drawn('randint', lambda: torch.randint(low, high, shape, dtype=dtype), seed, dtype=dtype, low=low, high=high,
                      shape=shape)
    drawn('randint', lambda: torch.randint(0, 100, [3]), seed, 3, dtype=torch.int64, low=0, high=100, shape=[3])
    drawn('randint', lambda: torch.randint(0, 100, [0, 3]), seed, dtype=torch.int64, low=0, high=100, shape=[0, 3])
for dtype, low, high in ((torch.uint8, 0, 256), (torch.uint8, 0, 257), (torch.uint8, -1, 5), (torch.int8, -128, 128), (torch.bool, 0, 3),
                         (torch.int8, -129, 5), (torch.int8, 0, 129), (torch.int16, 0, 32768), (torch.int16, 0, 32769), (torch.int32, 0, 2**31),
                         (torch.int32, 0, 2**31 + 1), (torch.int64, 5, 5), (torch.int64, 5, 4), (torch.bool, -1, 1), (torch.float32, 2**30 + 1, 2**30 + 2),
                         (torch.float32, 2**24, 2**24 + 1), (torch.float32, 2**24 + 1, 2**24 + 9), (torch.float32, -(2**26), -(2**26) + 2),
                         (torch.float64, 2**53, 2**53 + 10), (torch.float32, 5, 5)):
    drawn('randint', lambda: torch.randint(low, high, [40], dtype=dtype), 3, dtype=dtype, low=low, high=high, shape=[40])
g.write()
