"""Which type two types make: torch.promote_types for all of them, and the results of operations on ones of each type,
with a dimension and without, and with a number. `types`, `dims` (how many) and `result` instead of inputs and outputs."""
import torch

from golden import DTYPES, Golden

LOADED = (torch.float16, torch.bfloat16, torch.int8, torch.int16)
ALL = DTYPES + LOADED
NUMBER = {dtype: number for number, dtype in enumerate(ALL)}

PAIRS = {
    'add': torch.add, 'sub': torch.sub, 'mul': torch.mul, 'div': torch.div, 'pow': torch.pow, 'minimum': torch.minimum,
    'maximum': torch.maximum, 'eq': torch.eq, 'lt': torch.lt, 'where': lambda a, b: torch.where(torch.tensor([True]), a, b),
    'cat': lambda *x: torch.cat(x), 'stack': lambda *x: torch.stack(x),
}
NUMBERS = {
    'add_scalar': lambda x: x + 2.0, 'sub_scalar': lambda x: x - 2.0, 'rsub_scalar': lambda x: 2.0 - x,
    'mul_scalar': lambda x: x * 2.0, 'div_scalar': lambda x: x / 2.0, 'pow_scalar': lambda x: x ** 2.0,
}

g = Golden(__file__)


def case(op, function, types, dims):
    try:
        result = NUMBER[function(*[torch.ones([1] * n, dtype=t) for t, n in zip(types, dims)]).dtype]
    except RuntimeError as error:
        if 'not implemented for' in str(error) or 'torch.int8 which is unsupported' in str(error):
            return  # torch has none: pow of bools
        result = None
    g.begin(op, [], {'types': [NUMBER[t] for t in types], 'dims': dims, 'result': result})
    if result is None:
        g.lines.append('fails')


for a in ALL:
    for b in ALL:
        g.begin('promote', [], {'types': [NUMBER[a], NUMBER[b]], 'result': NUMBER[torch.promote_types(a, b)]})
for op, function in PAIRS.items():
    for a in DTYPES:
        for b in DTYPES:
            for dims in ([0, 0], [0, 1], [1, 0], [1, 1], [0, 2]):
                if op == 'cat' and dims != [1, 1] or op == 'stack' and dims[0] != dims[1]:
                    continue  # shapes that do not go together
                case(op, function, [a, b], dims)
for op, function in NUMBERS.items():
    for a in DTYPES:
        for n in (0, 1):
            case(op, function, [a], [n])
g.write()
