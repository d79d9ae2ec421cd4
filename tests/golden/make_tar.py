#!/usr/bin/env python3
"""Tar files of samples, and what Python's tarfile reads from them: tar/*.tar.gz, tar/ustar.tar.zst, tar/expected.txt. The tests
unpack them, to have plain ones as well.

expected.txt has for each file a line `file NAME SAMPLES`, then for each sample a line `sample KEY`, with a line `EXTENSION SIZE HASH`
for each of its members behind it; the hash is FNV-1a of 64 bits. Samples are made of members by WebDataset's rule, but names that begin with a point are none. Keys are written as hexadecimal
bytes, since they may have any.
"""
import gzip, io, os, re, subprocess, tarfile, tempfile

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'tar')
os.makedirs(folder, exist_ok=True)


def data(i, n):
    return bytes((i * 31 + j * 7) % 251 for j in range(n))


def member(tar, name, content=b'', **more):
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in more.items():
        setattr(info, key, value)
    tar.addfile(info, io.BytesIO(content))


def samples(tar, names, size=lambda i: i * 37 % 700):
    for i, name in enumerate(names):
        member(tar, name + '.bin', data(i, size(i)))
        member(tar, name + '.cls', b'%d\n' % (i % 10))
        member(tar, name + '.json', b'{"n": %d, "at": [%d, 0.5], "who": {"name": "%s"}}' % (i, i, b'ab'[i % 2:][:1]))


def make(name, fill, **options):
    with tarfile.open(os.path.join(folder, name), 'w', **options) as tar:
        fill(tar)


def odd(tar):
    member(tar, 'README', b'no point, no sample')
    member(tar, '.hidden.cls', b'7')
    member(tar, 'a/', type=tarfile.DIRTYPE)
    member(tar, 'a/.cls', b'7')
    member(tar, 'a/one.cls', b'1')
    member(tar, 'a/one.link.cls', type=tarfile.SYMTYPE, linkname='one.cls')
    member(tar, 'a/one.bin', b'')
    member(tar, 'a.b/two.cls', b'2')
    member(tar, 'a.b/two.other', b'nobody wants it')
    member(tar, 'a.b/two.bin', data(2, 512))
    member(tar, 'hard.cls', type=tarfile.LNKTYPE, linkname='a/one.cls')
    member(tar, './three.CLS', b'3')
    member(tar, './three.seg.bin', data(3, 513))
    member(tar, 'fifo.cls', type=tarfile.FIFOTYPE)
    member(tar, 'a/one.cls', b'11')
    member(tar, 'point..cls', b'4')
    member(tar, 'no/sample.', b'')


def long_names(tar):
    for i in range(4):
        deep = '/'.join(['folder%d' % i * 5] * (1 + i)) + '/' + 'name' * (10 + 20 * i)
        member(tar, deep + '.cls', b'%d' % i)
        member(tar, deep + '.bin', data(i, 100 * i))


def utf8(tar):
    for i, name in enumerate(['Köln', '東京/写真', 'é' * 60, 'plain']):
        member(tar, name + '.cls', b'%d' % i)
        member(tar, name + '.bin', data(i, 10))


make('ustar.tar', lambda t: samples(t, ['s/%04d' % i for i in range(20)]), format=tarfile.USTAR_FORMAT)
make('odd.tar', odd, format=tarfile.USTAR_FORMAT)
make('one.tar', lambda t: member(t, 'x.cls', b'5'), format=tarfile.USTAR_FORMAT)
make('empty.tar', lambda t: None, format=tarfile.USTAR_FORMAT)
for kind, form in ('gnu', tarfile.GNU_FORMAT), ('pax', tarfile.PAX_FORMAT):
    make('long_%s.tar' % kind, long_names, format=form)
    make('utf8_%s.tar' % kind, utf8, format=form)
make('latin1.tar', lambda t: member(t, 'K\xf6ln.cls', b'9'), format=tarfile.GNU_FORMAT, encoding='latin-1')
make('times.tar', lambda t: [member(t, '%d.cls' % i, b'%d' % i, mtime=0.5 + i) for i in range(3)], format=tarfile.PAX_FORMAT,
     pax_headers={'comment': 'for all members'})
with open(os.path.join(folder, 'ustar.tar'), 'rb') as f:
    ustar = f.read()
with open(os.path.join(folder, 'no_end.tar'), 'wb') as f: # as some writers leave it
    f.write(ustar.rstrip(b'\0') + b'\0' * (-len(ustar.rstrip(b'\0')) % 512))
with tempfile.TemporaryDirectory() as tmp:
    for name, holes in ('a.bin', [(0, 3), (200000, 5)]), ('b.bin', [(70000, 1)] + [(100000 + 8192 * i, 2) for i in range(28)]):
        with open(os.path.join(tmp, name), 'wb') as f:
            for at, n in holes:
                f.seek(at)
                f.write(b'x' * n)
            f.truncate(400000)
    with open(os.path.join(tmp, 'c.bin'), 'wb') as f:
        f.write(b'dense')
    for kind in 'gnu', 'posix':
        subprocess.run(['tar', '-C', tmp, '--sparse', '--format=' + kind, '--owner=0', '--group=0', '--mtime=@0', '-cf',
                        os.path.join(folder, 'sparse_%s.tar' % kind), 'a.bin', 'b.bin', 'c.bin'] +
                       (['--pax-option=delete=atime,delete=ctime,exthdr.name=pax/%f'] if kind == 'posix' else []), check=True)


def without_process(raw):
    """GNU tar puts its process number into the names of sparse members."""
    blocks = [bytearray(raw[i:i + 512]) for i in range(0, len(raw), 512)]
    for block in blocks:
        match = re.match(rb'\./GNUSparseFile\.(\d+)/(\S+?)\0', block)
        if match and block[257:262] == b'ustar':
            block[:100] = (b'./GNUSparseFile.0/' + match.group(2)).ljust(100, b'\0')
            block[148:156] = b' ' * 8
            block[148:156] = b'%06o\0 ' % sum(block)
    return b''.join(blocks)


def fnv(b):
    h = 14695981039346656037
    for c in b:
        h = (h ^ c) * 1099511628211 & (2**64 - 1)
    return h


wanted = ['cls', 'bin', 'seg.bin', 'json']
with open(os.path.join(folder, 'expected.txt'), 'w') as out:
    for name in sorted(os.listdir(folder)):
        if not name.endswith('.tar'):
            continue
        found, last = [], None
        path = os.path.join(folder, name)
        raw = without_process(open(path, 'rb').read())
        with open(path + '.gz', 'wb') as f:
            f.write(gzip.compress(raw, mtime=0))
        if name == 'ustar.tar':
            subprocess.run(['zstd', '-qf', '-19', path, '-o', path + '.zst'], check=True)
        os.remove(path)
        with tarfile.open(fileobj=io.BytesIO(raw), errors='surrogateescape') as tar:
            for info in tar:
                match = re.match(r'^((?:.*/|)[^./]+)[.]([^/]*)$', info.name, re.S)
                if not info.isreg() or not match:
                    continue
                key, extension = match.groups()
                if key != last:
                    found.append((key, []))
                last = key
                if extension.lower() in wanted:
                    content = tar.extractfile(info).read()
                    found[-1][1].append((extension.lower(), len(content), fnv(content)))
        found = [s for s in found if s[1]]
        out.write('file %s %d\n' % (name, len(found)))
        for key, members in found:
            out.write('sample %s %d\n' % (key.encode('utf-8', 'surrogateescape').hex(), len(members)))
            for m in members:
                out.write('%s %d %016x\n' % m)
