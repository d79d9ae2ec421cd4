/* Tar files made by hand: ustar heads. */
#ifndef TAR_FIXTURE_H
#define TAR_FIXTURE_H

#include "check.h"

static inline void put_head(FILE *file, const char *name, char type, int64_t size)
{
    char head[512] = "";
    unsigned sum = 0;
    snprintf(head, 100, "%s", name);
    snprintf(head + 100, 8, "%07o", 0644u);
    snprintf(head + 136, 12, "%011o", 0u);
    if (size < INT64_C(1) << 33) {
        snprintf(head + 124, 12, "%011llo", (unsigned long long)size);
    } else { /* GNU's: binary, the highest byte first */
        head[124] = (char)0x80;
        for (int i = 0; i < 8; i++)
            head[135 - i] = (char)(size >> 8 * i);
    }
    memset(head + 148, ' ', 8);
    head[156] = type;
    memcpy(head + 257, "ustar\00000", 8);
    for (int i = 0; i < 512; i++)
        sum += (unsigned char)head[i];
    snprintf(head + 148, 8, "%06o", sum);
    CHECK(fwrite(head, 1, sizeof head, file) == sizeof head);
}

static inline void put_content(FILE *file, const void *content, size_t size)
{
    static const char zeros[512];
    CHECK(fwrite(content, 1, size, file) == size);
    fwrite(zeros, 1, (512 - size % 512) % 512, file);
}

static inline void put_member(FILE *file, const char *name, const void *content, size_t size)
{
    put_head(file, name, '0', (int64_t)size);
    put_content(file, content, size);
}

static inline void put_text(FILE *file, const char *name, const char *text)
{
    put_member(file, name, text, strlen(text));
}

static inline void put_end(FILE *file)
{
    static const char end[1024];
    fwrite(end, 1, sizeof end, file);
    fclose(file);
}

#endif
