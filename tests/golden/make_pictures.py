#!/usr/bin/env python3
"""Pictures in files, and what PIL makes of them: pictures/*.jpg, pictures/*.png, pictures/expected.txt.

expected.txt has for each file a line `file NAME HEIGHT WIDTH HASH`: FNV-1a of 64 bits of the bytes of Image.open(NAME).convert('RGB'),
and with ' turned HEIGHT WIDTH HASH' behind it where ImageOps.exif_transpose makes another picture of it.
"""
import io, os, struct, zlib
import numpy as np
from PIL import Image, ImageOps

folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'pictures')
os.makedirs(folder, exist_ok=True)
rng = np.random.default_rng(5)


def scene(height, width, channels):
    """Slopes, an edge, a disc and some noise, so that neighbours matter."""
    y, x = np.mgrid[0:height, 0:width]
    a = np.stack([x * 5 + y, 255 - y * 4, (x * y) // 4, 128 + x - y][:channels], -1).astype(float) % 256
    a[(x - width / 2) ** 2 + (y - height / 3) ** 2 < (width / 5) ** 2] = [250, 40, 90, 20][:channels]
    a[:, width * 3 // 4:] = 255 - a[:, width * 3 // 4:]
    return np.clip(a + rng.normal(0, 6, a.shape), 0, 255).astype('u1')


def jpeg(pixels, mode='RGB', **options):
    out = io.BytesIO()
    Image.fromarray(pixels if mode != 'L' else pixels[..., 0], mode).save(out, 'JPEG', **options)
    return out.getvalue()


def with_adobe(data, transform):
    """The same data with a marker that says what its channels are: 0 RGB or CMYK, 2 YCCK."""
    marker = b'Adobe' + struct.pack('>HHHB', 100, 0, 0, transform)
    at = data.find(b'Adobe')
    if at >= 0:
        return data[:at] + marker + data[at + len(marker):]
    return data[:2] + b'\xff\xee' + struct.pack('>H', 2 + len(marker)) + marker + data[20:]  # in the place of JFIF's


def exif(orientation, order='<'):
    head = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(order + 'I', 8)
    entries = struct.pack(order + 'HHIHH', 0x0103, 3, 1, 6, 0) + struct.pack(order + 'HHIHH', 0x0112, 3, 1, orientation, 0)
    return head + struct.pack(order + 'H', 2) + entries + struct.pack(order + 'I', 0)


def chunk(kind, data):
    return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))


CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}


def packed(rows, depth, kind):
    """Filtered rows of samples: each filter in turn."""
    out, before = b'', None
    step = max(1, CHANNELS[kind] * depth // 8)
    for y, row in enumerate(rows):
        row = row.reshape(-1)
        if depth == 16:
            data = np.frombuffer(row.astype('>u2').tobytes(), 'u1').astype(int)
        elif depth == 8:
            data = row.astype(int)
        else:
            bits = ''.join(format(int(v), '0%db' % depth) for v in row)
            bits += '0' * (-len(bits) % 8)
            data = np.array([int(bits[i:i + 8], 2) for i in range(0, len(bits), 8)])
        left = np.concatenate([np.zeros(step, int), data[:-step]]) if len(data) > step else np.zeros(len(data), int)
        up = before if before is not None else np.zeros(len(data), int)
        corner = np.concatenate([np.zeros(step, int), up[:-step]]) if len(data) > step else np.zeros(len(data), int)
        p = left + up - corner
        a, b, c = abs(p - left), abs(p - up), abs(p - corner)
        paeth = np.where((a <= b) & (a <= c), left, np.where(b <= c, up, corner))
        guess = [np.zeros(len(data), int), left, up, (left + up) // 2, paeth][y % 5]
        out += bytes([y % 5]) + ((data - guess) % 256).astype('u1').tobytes()
        before = data
    return out


def png(samples, depth, kind, extra=b'', interlaced=False, behind=b''):
    height, width = samples.shape[:2]
    if interlaced:
        raw = b''
        for y0, x0, dy, dx in ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)):
            part = samples[y0::dy, x0::dx]
            if part.size:
                raw += packed(part, depth, kind)
    else:
        raw = packed(samples, depth, kind)
    data = zlib.compress(raw, 9)
    head = struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, interlaced)
    half = len(data) // 2
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + extra + chunk(b'IDAT', data[:half]) + chunk(b'IDAT', data[half:]) + behind +
            chunk(b'IEND', b''))


def samples(height, width, depth, kind):
    a = scene(height, width, CHANNELS[kind]).astype(int)
    return a * 257 - 100 * (a > 3) + 7 * (a > 9) if depth == 16 else a >> (8 - depth)


def palette(count):
    return chunk(b'PLTE', scene(1, count, 3).tobytes())


photo = scene(40, 53, 3)
four = scene(37, 45, 4)
files = {
    'rgb_420.jpg': jpeg(photo, quality=90),
    'rgb_422.jpg': jpeg(photo, quality=80, subsampling=1),
    'rgb_444.jpg': jpeg(photo, quality=75, subsampling=0),
    'progressive.jpg': jpeg(photo, quality=85, progressive=True),
    'optimized.jpg': jpeg(photo, quality=60, optimize=True),
    'grey.jpg': jpeg(photo, 'L', quality=85),
    'cmyk.jpg': jpeg(four, 'CMYK', quality=85),
    'cmyk_progressive.jpg': jpeg(four, 'CMYK', quality=85, progressive=True),
    'wide_420.jpg': jpeg(scene(83, 171, 3), quality=35),
    'wide_422.jpg': jpeg(scene(70, 150, 3), quality=30, subsampling=1),
    'wide_444.jpg': jpeg(scene(75, 140, 3), quality=20, subsampling=0),
    'wide_progressive.jpg': jpeg(scene(83, 171, 3), quality=35, progressive=True),
    'pixel.jpg': jpeg(scene(1, 1, 3)),
    'row.jpg': jpeg(scene(1, 40, 3)),
    'column.jpg': jpeg(scene(40, 1, 3)),
    'comment.jpg': jpeg(scene(9, 9, 3), comment=b'a comment', icc_profile=b'x' * 200),
}
files['rgb_stored.jpg'] = with_adobe(files['rgb_444.jpg'], 0)
files['ycck.jpg'] = with_adobe(files['cmyk.jpg'], 2)
files['behind_the_end.jpg'] = files['rgb_444.jpg'] + b'more'
for i in range(1, 9):
    files['turned_%d.jpg' % i] = jpeg(scene(11, 17, 3), quality=70, exif=b'Exif\0\0' + exif(i, '<>'[i % 2]))
for kind, depths in ((0, (1, 2, 4, 8, 16)), (2, (8, 16)), (3, (1, 2, 4, 8)), (4, (8, 16)), (6, (8, 16))):
    for depth in depths:
        for interlaced in (False, True):
            extra = palette(min(1 << depth, 200)) if kind == 3 else b''
            files['kind%d_%dbit%s.png' % (kind, depth, '_interlaced' if interlaced else '')] = png(
                samples(19, 21, depth, kind), depth, kind, extra, interlaced)
files['transparent_grey.png'] = png(samples(9, 9, 8, 0), 8, 0, chunk(b'tRNS', struct.pack('>H', 30)))
files['transparent_rgb.png'] = png(samples(9, 9, 8, 2), 8, 2, chunk(b'tRNS', struct.pack('>HHH', 1, 2, 3)))
files['transparent_palette.png'] = png(samples(9, 9, 4, 3), 4, 3, palette(16) + chunk(b'tRNS', bytes(range(0, 160, 10))))
files['gamma.png'] = png(samples(9, 9, 8, 2), 8, 2, chunk(b'gAMA', struct.pack('>I', 100000)) + chunk(b'tEXt', b'Title\0words'))
files['turned.png'] = png(samples(9, 14, 8, 2), 8, 2, behind=chunk(b'eXIf', exif(6)))
files['pixel.png'] = png(samples(1, 1, 8, 2), 8, 2)


def fnv(data):
    h = 14695981039346656037
    for byte in data:
        h = ((h ^ byte) * 1099511628211) % 2**64
    return '%016x' % h


def seen(image):
    return '%d %d %s' % (image.height, image.width, fnv(image.tobytes()))


with open(os.path.join(folder, 'expected.txt'), 'w') as out:
    for name, data in files.items():
        path = os.path.join(folder, name)
        with open(path, 'wb') as f:
            f.write(data)
        image = Image.open(path)
        line = 'file %s %s' % (name, seen(image.convert('RGB')))
        turned = ImageOps.exif_transpose(image)
        if 'turned' in name:
            line += ' turned ' + seen(turned.convert('RGB'))
        out.write(line + '\n')
