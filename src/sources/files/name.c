#include "name.h"

#include <string.h>

size_t mr__name_length(const char *name)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.";
    const size_t scheme = strspn(name, letters);
    return scheme && strncmp(name + scheme, "://", 3) == 0 ? strcspn(name, "?#") : strlen(name);
}

static bool ends_in(const char *name, size_t length, const char *suffix)
{
    const size_t n = strlen(suffix);
    return length >= n && memcmp(name + length - n, suffix, n) == 0;
}

bool mr__name_ends_in(const char *name, const char *suffix)
{
    return ends_in(name, mr__name_length(name), suffix);
}

bool mr__is_packed_name(const char *name)
{
    const size_t all = strlen(name);
    return mr__name_ends_in(name, ".gz") || mr__name_ends_in(name, ".zst") || ends_in(name, all, ".gz") ||
           ends_in(name, all, ".zst");
}
