"""Linear, activations, Sequential, and modules of one's own."""
from golden import FLOATS, Golden
from golden_modules import case

g = Golden(__file__)

LINEAR = [(1, 16, [5, 1]), (16, 1, [5, 16]), (3, 7, [5, 3]), (7, 3, [7]), (1, 1, [1, 1]), (17, 33, [2, 17]), (5, 2, [2, 3, 5]),
          (2, 5, [0, 2]), (20, 17, [3, 20]), (0, 3, [2, 0]), (4, 0, [3, 4]), (1, 20, [33, 1])]
CHAINS = [
    ('Sequential(Linear(1,16),Sigmoid,Linear(16,1))', [33, 1]),
    ('Sequential(Linear(3,5),Tanh,Linear(5,7,nobias),ReLU,Linear(7,2))', [3, 3]),
    ('Sequential(Flatten,Linear(6,4),ReLU)', [5, 3, 2]),
    ('Sequential(Linear(3,5),Flatten,Linear(10,1))', [7, 2, 3]),
    ('Sequential(Sequential(Linear(3,4),Tanh),Sequential(Linear(4,4),Sequential(Sigmoid,Linear(4,1))))', [5, 3]),
    ('Sequential()', [3]),
    ('Sequential(Sigmoid)', [7]),
    ('Sequential(Linear(3,2),tail=Linear(2,2),more=Sequential(ReLU,Linear(2,1)))', [5, 3]),
    ('Net(layer1=Linear(1,16),act=Sigmoid,layer2=Linear(16,1))', [17, 1]),
    ('Net(scale=Parameter(2))', [3, 2]),
    ('Net(inner=Linear(3,2),scale=Parameter(2),tail=Linear(2,2),row=Parameter(3,1))', [3, 3]),
    ('Net(encoder=Net(layers=Sequential(Linear(3,5),Tanh,Linear(5,5)),norm=Parameter(5)),gain=Parameter(1),'
     'head=Net(b=Linear(5,2),a=Linear(2,2),shift=Parameter(1,2)))', [7, 3]),
    ('Net(zeta=Linear(2,2),alpha=Net(deep=Net(deeper=Net(w=Parameter(2),l=Linear(2,2,nobias)))))', [5, 2]),
]
for dtype in FLOATS:
    for i, o, shape in LINEAR:
        case(g, f'Linear({i},{o})', shape, 42, dtype)
    for i, o, shape in LINEAR[:4]:
        case(g, f'Linear({i},{o},nobias)', shape, 42, dtype)
    for seed in (0, 1, 1234, 2**32 - 1, 2**40 + 99):
        case(g, 'Linear(5,3)', [2, 5], seed, dtype)
    for i, o in ((100, 200), (784, 30), (3, 1000), (1000, 3), (10, 512), (48, 48), (768, 33)):
        case(g, f'Linear({i},{o})', None, 7, dtype, hashed=True)
    case(g, 'Sequential(Linear(40,300),ReLU,Linear(300,10))', None, 7, dtype, hashed=True)
    for spec, shape in CHAINS:
        case(g, spec, shape, 3, dtype)
g.write()
