#include "utf8.h"

int32_t mr__utf8_next(const char **text)
{
    static const int32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
    const unsigned char *at = (const unsigned char *)*text;
    const int bytes = *at < 0x80 ? 1 : *at >> 5 == 6 ? 2 : *at >> 4 == 14 ? 3 : *at >> 3 == 30 ? 4 : 0;
    int32_t c = bytes == 1 ? *at : *at & (0xff >> (bytes + 1));
    for (int i = 1; i < bytes; i++) {
        if (at[i] >> 6 != 2)
            return -1;
        c = c << 6 | (at[i] & 0x3f);
    }
    if (!bytes || c < least[bytes] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return -1;
    *text += bytes;
    return c;
}

bool mr__is_utf8(const char *text)
{
    while (*text)
        if (mr__utf8_next(&text) < 0)
            return false;
    return true;
}
