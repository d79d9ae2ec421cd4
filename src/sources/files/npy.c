/* NPY: a header in the syntax of a Python literal, then the elements (numpy.lib.format, versions 1 to 3). */
#include "array_file.h"

#include <stdio.h>
#include <string.h>

enum { MAGIC = 6, LONGEST_HEADER = 1 << 20 };

bool mr__is_npy(const mr__bytes *bytes)
{
    return bytes->size >= MAGIC && memcmp(bytes->at, "\x93NUMPY", MAGIC) == 0;
}

/* ---- the literal: {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), } ---- */

typedef struct literal {
    const char *at, *end;
} literal;

static void blanks(literal *l)
{
    while (l->at < l->end && (*l->at == ' ' || *l->at == '\n'))
        l->at++;
}

static bool take(literal *l, const char *text)
{
    size_t n = strlen(text);
    blanks(l);
    if ((size_t)(l->end - l->at) < n || memcmp(l->at, text, n) != 0)
        return false;
    l->at += n;
    return true;
}

/* A string in either kind of quotes, without escapes. */
static bool take_string(literal *l, char *out, size_t room)
{
    blanks(l);
    if (l->at == l->end || (*l->at != '\'' && *l->at != '"'))
        return false;
    char quote = *l->at++;
    const char *stop = memchr(l->at, quote, (size_t)(l->end - l->at));
    if (!stop || (size_t)(stop - l->at) >= room)
        return false;
    memcpy(out, l->at, (size_t)(stop - l->at));
    out[stop - l->at] = 0;
    l->at = stop + 1;
    return true;
}

static bool take_size(literal *l, int64_t *size)
{
    blanks(l);
    const char *begin = l->at;
    for (*size = 0; l->at < l->end && *l->at >= '0' && *l->at <= '9'; l->at++)
        if (__builtin_mul_overflow(*size, 10, size) || __builtin_add_overflow(*size, *l->at - '0', size))
            return false;
    take(l, "L"); /* Python 2's */
    return l->at > begin;
}

static bool take_shape(literal *l, mr_shape *shape, bool *too_many)
{
    *shape = MR_SCALAR;
    if (!take(l, "("))
        return false;
    while (!take(l, ")")) {
        int64_t size;
        if (!take_size(l, &size))
            return false;
        if (shape->ndim == MR_MAX_DIMS) {
            *too_many = true;
            return false;
        }
        shape->dim[shape->ndim++] = size;
        if (!take(l, ",")) {
            if (!take(l, ")"))
                return false;
            return true;
        }
    }
    return true;
}

/* ---- the header ---- */

static bool set_type(mr__array_file *a, const char *descr)
{
    static const struct {
        char name[3];
        mr_dtype dtype;
        bool no_sign;
    } types[] = { { "f2", MR_FLOAT16, false }, { "f4", MR_FLOAT32, false }, { "f8", MR_FLOAT64, false },
                  { "i1", MR_INT8, false },    { "i2", MR_INT16, false },   { "i4", MR_INT32, false },
                  { "i8", MR_INT64, false },   { "u1", MR_UINT8, false },   { "u2", MR_UINT16, false },
                  { "u4", MR_INT64, true },    { "u8", MR_INT64, true },    { "b1", MR_BOOL, false } };
    if (strlen(descr) != 3 || !strchr("<>|=", *descr))
        return false;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, descr + 1) == 0) {
            a->dtype = types[i].dtype;
            a->no_sign = types[i].no_sign;
            a->element_bytes = descr[2] - '0';
            a->swapped =
                a->element_bytes > 1 && *descr == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ ? '>' : '<');
            return true;
        }
    return false;
}

static mr_status bad(const char *path, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': an NPY file's header: %s", path, what);
}

static mr_status bad_literal(const mr__array_file *a, const char *path, const literal *l, const char *what)
{
    return mr_fail(MR_ERR_FORMAT, "'%s': an NPY file's header, at byte %zu: %s", path,
                   (size_t)(l->at - a->bytes.at), what);
}

static mr_status read_literal(mr__array_file *a, const char *path, literal l)
{
    char key[32], descr[64] = "";
    bool fortran = false, shape = false, order = false, too_many = false;
    if (!take(&l, "{"))
        return bad_literal(a, path, &l, "it does not begin with {");
    while (!take(&l, "}")) {
        bool ok = take_string(&l, key, sizeof key) && take(&l, ":");
        if (ok && strcmp(key, "descr") == 0) {
            blanks(&l);
            if (l.at < l.end && *l.at == '[')
                return mr_fail(MR_ERR_DTYPE, "'%s': its elements are records; there is one array in a file",
                               path);
            ok = take_string(&l, descr, sizeof descr);
        } else if (ok && strcmp(key, "fortran_order") == 0) {
            fortran = take(&l, "True");
            ok = order = fortran || take(&l, "False");
        } else {
            ok = ok && strcmp(key, "shape") == 0 && take_shape(&l, &a->shape, &too_many);
            shape = ok;
        }
        if (too_many)
            return mr_fail(MR_ERR_SHAPE, "'%s': more than %d dimensions", path, MR_MAX_DIMS);
        if (!ok)
            return bad_literal(a, path, &l, "it is not of descr, fortran_order and shape");
        if (!take(&l, ",") && (blanks(&l), l.at == l.end || *l.at != '}'))
            return bad_literal(a, path, &l, "it is not of descr, fortran_order and shape");
    }
    if (!*descr || !shape || !order)
        return bad_literal(a, path, &l, "it is not of descr, fortran_order and shape");
    if (!set_type(a, descr))
        return mr_fail(MR_ERR_DTYPE, "'%s': elements of type '%s', which Millrace has not", path, descr);
    int wide = 0;
    for (int d = 0; d < a->shape.ndim; d++)
        wide += a->shape.dim[d] > 1;
    if (fortran && wide > 1)
        return mr_fail(MR_ERR_FORMAT, "'%s' is in Fortran's order: numpy.ascontiguousarray makes one in C's",
                       path);
    return MR_OK;
}

mr_status mr__npy_header(mr__array_file *a, const char *path, size_t *data)
{
    const unsigned char *at = (const unsigned char *)a->bytes.at;
    if (a->bytes.size < 12)
        return bad(path, "the file ends in it");
    int version = at[6];
    if (version < 1 || version > 3)
        return mr_fail(MR_ERR_FORMAT, "'%s': version %d of NPY, which is none of 1 to 3", path, version);
    size_t length = at[8] | (size_t)at[9] << 8, begin = 10;
    if (version > 1) {
        length |= (size_t)at[10] << 16 | (size_t)at[11] << 24;
        begin = 12;
    }
    if (length > LONGEST_HEADER || length > a->bytes.size - begin)
        return bad(path, "the file ends in it");
    *data = begin + length;
    return read_literal(a, path, (literal){ a->bytes.at + begin, a->bytes.at + *data });
}
