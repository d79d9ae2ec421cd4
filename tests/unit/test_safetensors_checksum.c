/* Files with a checksum: every cut and every bit that is changed are recognised; and the bytes depend on the contents
 * alone. */
#include "check.h"
#include "files.h"

#include "base/crc32c.h"
#include "formats/safetensors.h"

static char whole[1 << 14];
static size_t size;

static void write_one(const char *path, const char *key, const char *text)
{
    const float a[3] = { 1, 2, 3 };
    const int64_t b = 7;
    const mr__safetensor list[] = { { "checksum", MR_FLOAT32, MR_SHAPE(3), a, 0 },
                                    { "b", MR_INT64, MR_SCALAR, &b, 0 } };
    const mr__metadata metadata[] = { { key, text }, { "a\"checksum\":\"crc32c:11111111\"", "tricky" } };
    CHECK_EQ_I64(mr__safetensors_write(path, list, 2, metadata, 2), MR_OK);
}

/* Whether the first `count` bytes are a file with a checksum that holds; 0: refused, 1: it has none, 2: yes. */
static int look(size_t count)
{
    file_put(in_folder("y"), whole, count);
    mr_error_clear();
    mr__safetensors *file = mr__safetensors_read(in_folder("y"));
    int result = !file ? 0 : file->checked ? 2 : 1;
    CHECK(file || mr_error_status() == MR_ERR_FORMAT);
    mr__safetensors_free(file);
    return result;
}

static void test_written(void)
{
    char digits[9], wanted[700];
    write_one(in_folder("x"), MR__SAFETENSORS_CHECKSUM, MR__SAFETENSORS_NO_CHECKSUM);
    memcpy(whole, file_contents(in_folder("x"), &size), sizeof whole);
    CHECK_EQ_I64(look(size), 2);
    char *at = strstr(whole + 8, "\"checksum\":\"crc32c:");
    if (!CHECK(at != NULL))
        return;
    at += strlen("\"checksum\":\"crc32c:");
    memcpy(digits, at, 8);
    digits[8] = '\0';
    CHECK(strcmp(digits, "00000000") != 0);
    memset(at, '0', 8);
    snprintf(wanted, sizeof wanted, "%08x", (unsigned)mr__crc32c(0, whole, size));
    CHECK_EQ_STR(digits, wanted);
    memcpy(at, digits, 8);
    whole[size - 1] ^= 1;
    CHECK_EQ_I64(look(size), 0);
    snprintf(wanted, sizeof wanted, "load '%s': it is damaged: its bytes have the checksum ", in_folder("y"));
    CHECK(strncmp(mr_error(), wanted, strlen(wanted)) == 0);
    CHECK(strstr(mr_error(), digits) != NULL);
    whole[size - 1] ^= 1;
}

static void test_every_cut(void)
{
    for (size_t cut = 0; cut < size; cut++)
        if (!CHECK_EQ_I64(look(cut), 0))
            printf("    cut at %zu\n", cut);
    whole[size] = 0;
    CHECK_EQ_I64(look(size + 1), 0);
}

/* A bit in the key makes it another key: then the file has no checksum, which who needs one finds out. */
static void test_every_bit(void)
{
    int without = 0;
    for (size_t at = 0; at < size; at++)
        for (int bit = 0; bit < 8; bit++) {
            whole[at] = (char)(whole[at] ^ 1 << bit);
            int seen = look(size);
            CHECK(seen != 2);
            without += seen == 1;
            whole[at] = (char)(whole[at] ^ 1 << bit);
        }
    CHECK(without > 0 && without < 8 * 30);
    CHECK_EQ_I64(look(size), 2);
}

/* Another's idea of a checksum is a text as any other. */
static void test_other_texts(void)
{
    static const char *const texts[] = {
        "sha256:00", "crc32c:", "crc32c:0000000", "crc32c:000000000", "crc32c:0000000G", "crc32c:0000000F", ""
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_one(in_folder("x"), MR__SAFETENSORS_CHECKSUM, texts[i]);
        mr__safetensors *file = mr__safetensors_read(in_folder("x"));
        if (CHECK(file != NULL)) {
            CHECK(!file->checked);
            CHECK_EQ_STR(mr__safetensors_text(file, "checksum"), texts[i]);
        }
        mr__safetensors_free(file);
    }
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_written);
    RUN(test_every_cut);
    RUN(test_every_bit);
    RUN(test_other_texts);
    return files_report();
}
