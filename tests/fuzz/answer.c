/* Heads of a web server's answers, line by line. */
#include "fuzz.h"

#include <millrace/sources/http.h>

#include "sources/http/answer.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    mr__answer answer = { .identity.size = -1, .first = -1, .last = -1 }, before = answer;
    while (size) {
        const uint8_t *stop = memchr(bytes, '\n', size);
        const size_t length = stop ? (size_t)(stop - bytes) + 1 : size;
        char *line = malloc(length); /* of its own, so that reading beyond it is seen */
        memcpy(line, bytes, length);
        if (mr__answer_line(&answer, line, length))
            before = answer;
        free(line);
        bytes += length;
        size -= length;
    }
    if (answer.first > answer.last ||
        (answer.identity.size >= 0 && answer.last >= answer.identity.size && answer.first >= 0))
        abort();
    if (mr__identity_same(&answer.identity, &before.identity) !=
        mr__identity_same(&before.identity, &answer.identity))
        abort();
    mr__identity_stamp(&answer.identity);
    return 0;
}
