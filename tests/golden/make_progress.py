"""Writes progress.txt: the line that tqdm 4.64 renders for Lightning's bar, for states of a fit.

Two lines a case: the state, then what is to be rendered. A state is

    EPOCH DONE TOTAL ELAPSED COLUMNS V_NUM [NAME=VALUE …]

with -1 for an unknown total and no version, and 0 for unknown columns. Lightning's class of bars is written down again
below (it only pads numbers), and made right where it is plainly wrong: tqdm shows -0.5 as -.5, Lightning nan as nan.0,
and tqdm does not cut a line without a bar to the terminal's width.
"""
import math
import os
import random

from tqdm import __version__, tqdm

FORMAT = '{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}, {rate_noinv_fmt}{postfix}]'


def value_text(value):
    if not math.isfinite(value):
        return repr(value)
    text = tqdm.format_num(abs(value))
    if math.copysign(1, value) < 0:
        short, full = '{0:.3g}'.format(value).replace('e+0', 'e+').replace('e-0', 'e-'), repr(value)
        text = short if len(short) < len(full) else full
    if 'e' in text:
        return text
    if '.' not in text and len(text) < 5:
        text += '.'
    return text + '0' * (5 - len(text))


def line(epoch, done, total, elapsed, columns, version, metrics):
    postfix = ([f'v_num={version}'] if version >= 0 else []) + [f'{k}={value_text(v)}' for k, v in metrics]
    total = None if total < 0 else total
    text = tqdm.format_meter(done, total, elapsed, ncols=columns or None, prefix=f'Epoch {epoch}',
                             bar_format=FORMAT if total and done <= total else None, postfix=', '.join(postfix))
    return text[:columns] if columns else text


def cases():
    yield 0, 0, 32, 0.0, 0, -1, []
    yield 0, 1, 32, 1 / 88.52, 0, -1, []
    yield 0, 1, 32, 1 / 85.96, 0, 0, [('loss', 3.1100001335144043)]
    yield 7, 32, 32, 32 / 800.71, 0, 0, [('loss', 0.06603000313043594)]
    yield 29, 32, 32, 0.019, 80, 12, [('loss', 0.15)]
    for columns in (1, 5, 20, 40, 59, 60, 61, 62, 80, 120, 200, 800):
        yield 3, 13, 32, 0.0421, columns, 2, [('loss', 0.42)]
    for done in range(0, 33):
        yield 1, done, 32, done / 500, 100, 0, [('loss', 1.0)]
    for total in (1, 3, 7, 1000, 123456789):
        yield 2, total, total, 61.5, 90, 0, []
        yield 2, total // 2, total, 61.5, 90, 0, []
    for elapsed in (0.0, 1e-6, 0.5, 1.0, 59.999, 60.0, 3599.5, 3600.0, 36000.0, 360000.0):
        yield 2, 10, 1000, elapsed, 90, 0, [('loss', 0.5)]
        yield 2, 0, 1000, elapsed, 90, 0, [('loss', 0.5)]
    for done, elapsed in ((0, 0.0), (32, 0.04), (32, 5.0), (100000, 100.0), (7, 3600.0 / 1000)):
        yield 4, done, -1, elapsed, 0, 0, [('loss', 0.5)]
        yield 4, done, -1, elapsed, 30, 0, [('loss', 0.5)]
    yield 4, 33, 32, 0.5, 80, 0, []
    yield 4, 0, 0, 0.0, 80, 0, []
    values = [0.0, -0.0, 1.0, -1.0, 0.066, 0.42, 3.0, 10.0, 99.95, 99.94, 100.0, 999.4, 999.6, 1000.0, 1234.0, 1234.5,
              12345.678, 1e5, 123456.0, 1e15, 1e16, 1e100, 1e-3, 1e-4, 1e-5, 1.5e-5, 1.2345e-7, 1e-10, 1e-100, 5e-324,
              -0.5, -0.05, -0.0512345, -3.14159, -1e-5, -12345.6, 0.1 + 0.2, 1 / 3, 2 / 3, 1e-3 / 3, 0.099951,
              float('nan'), float('inf'), float('-inf')]
    for value in values:
        yield 5, 5, 10, 0.01, 100, 0, [('x', value)]
    yield 5, 5, 10, 0.01, 100, 0, [('loss', 0.5), ('accuracy', 0.75), ('lr-Adam', 1e-3)]
    yield 5, 5, 10, 0.01, 100, -1, [('χ²', 0.5)]
    yield 5, 5, 10, 0.01, 30, -1, [('χχχχχχχχχχχχχχχχχχχχ', 0.5)]
    draw = random.Random(1)
    for _ in range(120):
        total = draw.randint(1, 10 ** draw.randint(1, 6))
        done = draw.randint(0, total)
        # Above one batch a second, where both formats of the rate agree.
        elapsed = done / 10 ** draw.uniform(0.01, 6)
        metrics = [(name, draw.choice((1, -1)) * 10 ** draw.uniform(-8, 8)) for name in ('a', 'bc')]
        yield (draw.randint(0, 1000), done, total, elapsed, draw.choice((0, 40, 80, 113)), draw.randint(-1, 100),
               metrics[:draw.randint(0, 2)])


path = os.path.splitext(os.path.abspath(__file__))[0].replace('make_', '') + '.txt'
with open(path, 'w', encoding='utf-8') as file:
    file.write(f'# Written by make_progress.py with tqdm {__version__}. Do not edit.\n')
    for epoch, done, total, elapsed, columns, version, metrics in cases():
        words = [epoch, done, total, repr(elapsed), columns, version]
        words += [f'{k}={v!r}' for k, v in metrics]
        file.write(' '.join(map(str, words)) + '\n')
        file.write(line(epoch, done, total, elapsed, columns, version, metrics) + '\n')
