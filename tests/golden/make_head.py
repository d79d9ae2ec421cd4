"""Writes head.txt: what pandas 1.5 prints as the head of a table, for CSV files of many kinds of numbers.

A case is

    case ROWS
    < LINE                the lines of the CSV file
    > LINE                what print(df.head(ROWS)) shows

Frames are printed whole, as pandas does on a terminal that is wide and high enough.
"""
import io
import os
import random

import pandas

pandas.set_option('display.width', 100000, 'display.max_columns', None, 'display.max_rows', None)

LOSS = '''loss,epoch,step
1.6151371002197266,1,49
1.055484652519226,3,99
0.4749171733856201,4,149
0.3093199133872986,6,199
0.23777355253696442,7,249
0.14996759593486786,9,299
'''

COLUMNS = {
    'ints': ['1', '22', '-333', '0'],
    'naturals': ['0', '7', '123456789', '5'],
    'signs': ['+3', '-0', '007', '12'],
    'largest': ['9007199254740992', '-9007199254740992', '1', '2'],
    'floats': ['0.5', '1.25', '3', '-2.125'],
    'positive': ['0.5', '1.25', '3', '2.125'],
    'points': ['1.0', '2.0', '3.0', '40.0'],
    'sixth': ['0.000001', '0.1', '0.25', '1'],
    'below': ['0.0000009', '0.1', '0.25', '1'],
    'zeros': ['0.0', '0.0', '-0.0', '0.0'],
    'gap': ['1', '', '3', '4'],
    'gaps': ['', '', '', ''],
    'nan': ['nan', '0.5', 'NaN', '-1.5'],
    'inf': ['inf', '1.5', '-inf', '2'],
    'endless': ['inf', '1234567.125', '2', ''],
    'million': ['1000000.5', '1', '2', '3'],
    'above': ['1000001.5', '1', '2', '3'],
    'long': ['1000001.123456', '1', '2', '3'],
    'twelve': ['1000001.125', '1', '2', '3'],
    'thirteen': ['10000001.125', '1', '2', '3'],
    'minus': ['-1000001.5', '-10000001.5', '-2', '3'],
    'round': ['123456789.0', '1.0', '2.0', '3.0'],
    'huge': ['1e300', '1', '2', '3'],
    'tiny': ['1e-300', '1', '2', '3'],
    'least': ['5e-324', '0', '0', '0'],
    'both': ['1e20', '1e-20', '', '-1'],
    'digits': ['0.1234565', '0.1234575', '2.5', '1000.1234567'],
    'exponents': ['1e3', '2E-2', '5e+1', '0.5e0'],
    'ends': ['1.', '.5', '-.25', '+2.'],
}


def table(names, columns):
    return ''.join(','.join(cells) + '\n' for cells in [names] + list(zip(*columns)))


def random_cell(draw):
    kind = draw.randrange(8)
    if kind == 0:
        return ''
    if kind == 1:
        return str(draw.randint(-1000, 1000))
    if kind == 2:
        return repr(draw.gauss(0, 1) * 10.0 ** draw.randint(-8, 12))
    return repr(round(draw.uniform(-10, 2000), draw.randint(0, 7)))


def cases():
    for rows in (5, 1, 6, 100, 0, -1, -5, -6, -100):
        yield rows, LOSS
    for name, cells in COLUMNS.items():
        yield 5, table([name], [cells])
        yield 1, table([name, 'b'], [cells, ['1', '2', '3', '4']])
    yield 5, table(list(COLUMNS), list(COLUMNS.values()))
    yield 3, 'loss,epoch,step\n'
    yield 2, '"a, b","say ""x""",größe\n1,"2",-0.5\n'
    yield 5, 'wider than its numbers,b\n1,2\n'
    yield 3, 'a,b\n\n1,2\n\n\n3,4\n'
    yield 120, 'a,b\n' + ''.join(f'{i},{i / 8}\n' for i in range(110))
    yield 12, 'a\n' + ''.join(f'{i}\n' for i in range(11))
    draw = random.Random(1)
    for _ in range(120):
        names = [draw.choice('abcdefg') * draw.randint(1, 9) + str(i) for i in range(draw.randint(1, 5))]
        columns = [[random_cell(draw) for _ in range(7)] if draw.randrange(4) else
                   [str(draw.randint(0, 10 ** draw.randint(1, 12))) for _ in range(7)] for _ in names]
        columns[0] = [cell or '0' for cell in columns[0]]  # an empty line is no row
        yield draw.choice((1, 3, 5, 10)), table(names, columns)


def main():
    lines = []
    for rows, csv in cases():
        df = pandas.read_csv(io.StringIO(csv), float_precision='round_trip')
        # pandas passes over the lines of a column that is empty throughout
        if df.empty and '\n\n' in csv:
            continue
        lines.append(f'case {rows}')
        lines += ['< ' + line for line in csv.splitlines()]
        lines += ['> ' + line for line in str(df.head(rows)).splitlines()]
    here = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(here, 'head.txt'), 'w', encoding='utf-8') as file:
        file.write('\n'.join(lines) + '\n')


main()
