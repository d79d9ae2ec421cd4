#!/usr/bin/env python3
"""Odd CSV files, and what pandas reads from them (float_precision='round_trip'): csv/*, csv/expected.txt.

expected.txt has for each file a line `file NAME ROWS COLUMNS OPTIONS`, then a line for each row: each cell as a hexadecimal
double (nan for one that is missing), or as its category's code after a `=`.
"""
import gzip, os, random, subprocess
import pandas as pd

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'csv')
os.makedirs(folder, exist_ok=True)
random.seed(5)

def numbers():
    texts = ['0', '-0', '1', '-1.5', '+2', '.5', '5.', '1e3', '1E-3', '1e+2', '123456789012345678901234567890', '0.1', '1e22',
             '1e23', '9007199254740993', '9007199254740992.5', '1.7976931348623157e308', '4.9e-324', '2.2250738585072014e-308',
             '1e400', '1e-400', 'inf', '-inf', 'Infinity', '0.30000000000000004', '179769313486231580793e289',
             '3.14159265358979323846264338327950288419716939937510', '8.10109172351e-10', '1.448997445238699',
             '6.02214076e23', '0000123.5', '1e0', '123456789.123456789', ' 7', '8 ']
    for i in range(400):
        texts.append('%.*g' % (random.randint(1, 20), random.uniform(-1, 1) * 10 ** random.randint(-30, 30)))
    return texts

files = {
    'plain.csv': ('a,b\n1,2\n3,4\n', {}),
    'one_row.csv': ('a\n1\n', {}),
    'header_only.csv': ('a,b\n', {}),
    'no_newline.csv': ('a,b\n1,2\n3,4', {}),
    'crlf.csv': ('a,b\r\n1,2\r\n3,4\r\n', {}),
    'bom.csv': ('\ufeffa,b\n1,2\n', {}),
    'quotes.csv': ('a,word,b\n1,"x, y",2\n3,"he said ""no""",4\n"5","two\nlines",6\n7,plain,8\n', {}),
    'quotes_crlf.csv': ('a,word\r\n1,"x\r\ny"\r\n2,"z"\r\n', {}),
    'missing.csv': ('a,b\n1,\n,2\nNA,3\nnull,nan\n#N/A,n/a\n1.#QNAN,<NA>\n', {}),
    'blank_lines.csv': ('\n\na,b\n1,2\n\n3,4\n\n', {}),
    'blanks.csv': ('  \n\t\na,b\n1,2\n  \n \t \n3,4\n\n  ', {}),
    'blanks_crlf.csv': ('a,w\r\n1,x\r\n  \r\n2,"  "\r\n3,  \r\n', {}),
    'blanks_one.csv': ('w\nx\n  \n"  "\n\t\n y \n"\t"\n', {}),
    'blanks.tsv': ('a\tb\n1\tx\n  \n2\ty\n \tz\n', {'sep': '\t'}),
    'comments.csv': ('# made by hand\na,b\n1,2\n# 9,9\n3,4\n', {'comment': '#'}),
    'skipped.csv': ('a title\nanother\na,b\n1,2\n', {'skiprows': 2}),
    'semicolon.csv': ('a;b\n1;2\n3;"4"\n', {'sep': ';'}),
    'apostrophe.csv': ("a,w\n1,'x,y'\n2,'it''s'\n", {'quotechar': "'"}),
    'no_header.csv': ('1,2\n3,4\n', {'header': None}),
    'words.csv': ('x,kind\n1,pear\n2,apple\n3,Zebra\n4,apple\n5,\u00e4pfel\n6,fig\n', {}),
    'utf8_header.csv': ('gr\u00f6\u00dfe,\u540d\u524d\n1.5,\u00fc\n', {}),
    'numbers.csv': ('x\n' + '\n'.join(numbers()) + '\n', {}),
    'wide.csv': (','.join('c%d' % i for i in range(300)) + '\n' +
                 '\n'.join(','.join(str(r * 300 + i) for i in range(300)) for r in range(3)) + '\n', {}),
    'tabs.tsv': ('a\tb\n1\t2\n3\t"4"\n', {'sep': '\t'}),
}
names = {'sep': 'delimiter', 'comment': 'comment', 'skiprows': 'skip', 'quotechar': 'quote', 'header': 'no_header'}

def write(name, text):
    with open(os.path.join(folder, name), 'w', newline='', encoding='utf-8') as f:
        f.write(text)

def cells(frame):
    columns = []
    for c in frame.columns:
        if frame[c].dtype == object:
            # by bytes, not by pandas' order of code points, which is the same for UTF-8
            codes = pd.Categorical(frame[c]).codes
            columns.append(['=%d' % v for v in codes])
        else:
            columns.append([float(v).hex() for v in frame[c]])
    return list(zip(*columns))

with open(os.path.join(folder, 'expected.txt'), 'w') as out:
    def expect(name, options):
        frame = pd.read_csv(os.path.join(folder, name), float_precision='round_trip', **options)
        text = ' '.join('%s=%s' % (names[k], v if v is not None else 1) for k, v in options.items() if v != '\t')
        out.write('file %s %d %d %s\n' % (name, len(frame), len(frame.columns), text))
        for row in cells(frame):
            out.write(' '.join(row) + '\n')
    for name, (text, options) in files.items():
        write(name, text)
        expect(name, options)
    for name in ('quotes.csv', 'wide.csv'):
        path = os.path.join(folder, name)
        with open(path, 'rb') as f:
            data = f.read()
        with open(path + '.gz', 'wb') as f:
            f.write(gzip.compress(data[:60], mtime=0) + gzip.compress(data[60:], mtime=0))  # two members
        subprocess.run(['zstd', '-q', '-f', '--no-progress', path, '-o', path + '.zst'], check=True)
        expect(name + '.gz', {})
        out.flush()
        frame_of = pd.read_csv(path, float_precision='round_trip')
        out.write('file %s %d %d \n' % (name + '.zst', len(frame_of), len(frame_of.columns)))
        for row in cells(frame_of):
            out.write(' '.join(row) + '\n')
