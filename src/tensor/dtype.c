#include "tensor.h"

static const struct {
    const char *name;
    size_t size;
} types[] = {
    [MR_FLOAT32] = { "float32", 4 }, [MR_FLOAT64] = { "float64", 8 },   [MR_INT64] = { "int64", 8 },
    [MR_INT32] = { "int32", 4 },     [MR_UINT8] = { "uint8", 1 },       [MR_BOOL] = { "bool", 1 },
    [MR_FLOAT16] = { "float16", 2 }, [MR_BFLOAT16] = { "bfloat16", 2 }, [MR_INT8] = { "int8", 1 },
    [MR_INT16] = { "int16", 2 },     [MR_UINT16] = { "uint16", 2 },
};
enum { TYPES = sizeof types / sizeof *types };

const char *mr_dtype_name(mr_dtype dtype)
{
    return (unsigned)dtype < TYPES ? types[dtype].name : "?";
}

size_t mr_dtype_size(mr_dtype dtype)
{
    return (unsigned)dtype < TYPES ? types[dtype].size : 0;
}

/* torch's lattice: bool < uint8, int8 < int16 < int32 < int64 < float16, bfloat16 < float32 < float64, where
 * types side by side meet at the next one above. uint16 (not in torch 1.13) lies above uint8 alone: with a signed
 * type it makes int32 at least, as in NumPy. */
mr_dtype mr_dtype_promote(mr_dtype a, mr_dtype b)
{
    static const int rank[] = {
        [MR_BOOL] = 0,     [MR_UINT8] = 1,   [MR_INT8] = 1,    [MR_INT16] = 2,
        [MR_UINT16] = 2,   [MR_INT32] = 3,   [MR_INT64] = 4,   [MR_FLOAT16] = 5,
        [MR_BFLOAT16] = 5, [MR_FLOAT32] = 6, [MR_FLOAT64] = 7,
    };
    if (a == b || (unsigned)a >= TYPES || (unsigned)b >= TYPES)
        return a;
    if ((a == MR_UINT16 && b == MR_INT8) || (a == MR_INT8 && b == MR_UINT16))
        return MR_INT32;
    if (rank[a] != rank[b])
        return rank[a] > rank[b] ? a : b;
    return rank[a] == 1 ? MR_INT16 : rank[a] == 2 ? MR_INT32 : MR_FLOAT32;
}
