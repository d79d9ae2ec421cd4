#include "cut.h"

#include <string.h>

enum { BLOCK = 512, AT_ONCE = 128 * BLOCK };

/* POSIX.1-1988, ustar header: the sum of its bytes, those of the sum itself taken as blanks, in octal at 148. */
static bool is_head(const unsigned char *block)
{
    unsigned sum = 0, said = 0;
    int digits = 0;
    if (memcmp(block + 257, "ustar", 5) != 0)
        return false;
    for (int i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : block[i];
    for (int i = 148; i < 156; i++)
        if (block[i] >= '0' && block[i] <= '7') {
            said = said * 8 + (block[i] - '0');
            digits++;
        } else if (digits) {
            break;
        }
    return digits && said == sum;
}

/* The next head from `at` on, which is a multiple of a block; INT64_MAX when there is none. */
static mr_status find_head(mr__input *input, unsigned char *buffer, int64_t *at)
{
    size_t filled = 0;
    if (mr__input_seek(input, (uint64_t)*at) < 0)
        return mr_error_status();
    for (;;) {
        int64_t n = mr__input_read(input, buffer + filled, AT_ONCE - filled);
        if (n < 0)
            return mr_error_status();
        filled += (size_t)n;
        size_t b = 0;
        for (; b + BLOCK <= filled; b += BLOCK, *at += BLOCK)
            if (is_head(buffer + b))
                return MR_OK;
        if (n == 0) {
            *at = INT64_MAX;
            return MR_OK;
        }
        memmove(buffer, buffer + b, filled - b);
        filled -= b;
    }
}

/* The first sample that begins behind the member behind the head at *head: MR_OK, MR_END when there is none, or a
 * failure, which may mean that it was no head. *head: the last one that was read. */
static mr_status find_sample(mr_storage *storage, const char *path, int64_t *head, int64_t *at)
{
    mr__tar tar;
    mr__member member[2] = { 0 };
    bool found = false;
    mr_status s = mr__tar_open(&tar, storage, path);
    if (s == MR_OK)
        s = mr__tar_start(&tar, *head);
    for (int i = 0; s == MR_OK && !found; i++) {
        mr__member *m = &member[i % 2];
        s = mr__tar_next(&tar, m);
        found = s == MR_OK && i > 1 && !mr__member_same_key(&member[0], &member[1]);
        *at = found ? m->at : *at;
        *head = m->at > *head ? m->at : *head;
    }
    mr__member_free(&member[0]);
    mr__member_free(&member[1]);
    mr__tar_close(&tar);
    return s;
}

mr_status mr__tar_cut(mr_storage *storage, const char *path, int64_t size, int64_t part, int64_t parts,
                      int64_t *at)
{
    *at = part == 0 ? 0 : INT64_MAX;
    if (part == 0 || part == parts)
        return MR_OK;
    const int64_t blocks = size / BLOCK;
    int64_t head = (blocks / parts * part + blocks % parts * part / parts) * BLOCK;
    mr__input *input = mr__input_open(storage, path);
    unsigned char *buffer = input ? mr_alloc(AT_ONCE) : NULL;
    mr_status s = buffer ? MR_OK : mr_error_status();
    while (s == MR_OK && *at == INT64_MAX) {
        s = find_head(input, buffer, &head);
        if (s < 0 || head == INT64_MAX)
            break;
        s = find_sample(storage, path, &head, at);
        s = s < 0 ? mr_error_status() : MR_OK; /* its first cause's */
        if (s == MR_ERR_FORMAT || s == MR_ERR_STATE) {
            mr_error_clear(); /* damage is a matter of whoever reads there */
            s = MR_OK;
        }
        head += BLOCK; /* from those before it one comes to the same end */
    }
    mr_free(buffer);
    mr__input_close(input);
    return s;
}
