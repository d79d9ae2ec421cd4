"""dropout dropout2d embedding embedding_bag embedding_bag_offsets. The second output of dropout is what the generator, seeded
with `seed` and after `before` draws of torch.rand, draws next."""
import torch
import torch.nn.functional as F

from golden import FLOATS, Golden, Input

g = Golden(__file__)


def dropped(function, p, seed, before=0, training=True):
    def run(x):
        torch.manual_seed(seed)
        torch.rand(before)
        return function(x, p, training), torch.rand(1)
    return run


def indices(values, dtype=torch.int64):
    return Input(torch.tensor(values, dtype=dtype), grad=False)


for dtype in FLOATS:
    for shape, p, layout in (([3, 7], 0.5, ''), ([2, 3, 5], 0.1, ''), ([5], 0.9, ''), ([0, 3], 0.5, ''), ([4], 1.0, ''), ([4], 0.0, ''),
                             ([3, 5], 0.5, 't=0,1'), ([2, 3, 4], 0.5, 't=0,2'), ([3, 4], 0.5, 's=1'),
                             ([2, 3, 4], 0.5, 'e=1')):
        g.case('dropout', dropped(F.dropout, p, 3), [g.input(shape, dtype, layout)], p=p, seed=3)
    for shape, p in (([3, 4, 2, 3], 0.5), ([2, 7, 3], 0.2), ([3, 2, 2, 1], 1.0), ([2, 0, 3], 0.5)):
        g.case('dropout2d', dropped(F.dropout2d, p, 4), [g.input(shape, dtype)], p=p, seed=4)
    g.case('dropout2d', dropped(F.dropout2d, 0.5, 4), [g.input([2, 4, 3, 3], dtype, 't=1,3')], p=0.5, seed=4)
    g.case('dropout', dropped(F.dropout, 0.5, 5, 0, False), [g.input([4], dtype)], p=0.5, seed=5, eval=1)
g.case('dropout', dropped(F.dropout, 0.5, 6, 623), [Input(torch.ones(700))], p=0.5, seed=6, before=623)
g.case('dropout', dropped(F.dropout, 0.3, 6, 2), [Input(torch.ones(64))], p=0.3, seed=6, before=2)
g.fails('dropout', [g.input([3])], p=1.5, seed=0)
g.fails('dropout', [g.input([3], torch.int64)], p=0.5, seed=0)
g.fails('dropout2d', [g.input([3])], p=0.5, seed=0)

for dtype in FLOATS:
    for index in ([1, 3, 1, 0], [[2, 2], [0, 4]], 3, [], [[[4], [0]], [[1], [1]]]):
        g.case('embedding', F.embedding, [indices(index), g.input([5, 3], dtype)])
        g.case('embedding', lambda i, w: F.embedding(i, w, padding_idx=-4), [indices(index), g.input([5, 3], dtype)], padding=-4)
    g.case('embedding', lambda i, w: F.embedding(i, w, padding_idx=0), [indices([0, 1, 0], torch.int32), g.input([2, 19], dtype)], padding=0)
    g.case('embedding', F.embedding, [indices([1, 0]), g.input([2, 3], dtype, 't=0,1')])
    g.case('embedding', F.embedding, [indices([1, 5]), g.input([5, 3], dtype)])
    g.case('embedding', F.embedding, [indices([1, -1]), g.input([5, 3], dtype)])
    for mode in ('mean', 'sum'):
        for padding in (None, 2, -5):
            def called(i, w, o=None):
                return F.embedding_bag(i, w, o, mode=mode, padding_idx=padding)
            options = dict(sum=int(mode == 'sum'), padding=padding)
            g.case('embedding_bag', called, [indices([[1, 2, 0], [2, 2, 2], [4, 4, 1]]), g.input([5, 3], dtype)], **options)
            for index, offsets in (([1, 2, 0, 4, 1], [0, 2]), ([2, 3, 2, 2], [0, 0, 2, 2, 4]), ([1], [0])):
                g.case('embedding_bag_offsets', lambda i, o, w: called(i, w, o), [indices(index), indices(offsets), g.input([5, 18], dtype)],
                       **options)
    g.fails('embedding_bag_offsets', [indices([1, 2]), indices([0, 3]), g.input([5, 3], dtype)])
    g.fails('embedding_bag_offsets', [indices([1, 2]), indices([1]), g.input([5, 3], dtype)])
    g.fails('embedding_bag_offsets', [indices([1, 2, 3]), indices([0, 2, 1]), g.input([5, 3], dtype)])
g.fails('embedding', [g.input([3]), g.input([5, 3])])
g.fails('embedding', [indices([1]), g.input([5, 3])], padding=5)
g.fails('embedding', [indices([1]), g.input([5, 3, 2])])
g.fails('embedding', [indices([1]), g.input([5, 3], torch.int64)])
g.fails('embedding_bag', [indices([1, 2]), g.input([5, 3])])
g.write()
