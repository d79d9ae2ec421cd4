/* Damaged safetensors files: each rule of the format broken, each with the text that says so; and files cut at
 * every byte and changed in every bit, which must give a sound file or a failure, never a crash. */
#include "check.h"
#include "files.h"

#include "base/alloc.h"
#include "base/file.h"
#include "formats/safetensors.h"

/* ---- one damage ---- */

static char bytes[1 << 16];

static size_t with_size(uint64_t size, const char *header, size_t length, size_t data)
{
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(size >> (8 * i));
    memcpy(bytes + 8, header, length);
    memset(bytes + 8 + length, 1, data);
    return 8 + length + data;
}

/* Reads the first `count` bytes as a file, which fails with "load 'path': <text>". */
static void check_bytes(size_t count, const char *text)
{
    char wanted[700];
    file_put(in_folder("x"), bytes, count);
    mr_error_clear();
    CHECK(mr__safetensors_read(in_folder("x")) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_FORMAT);
    snprintf(wanted, sizeof wanted, "load '%s': %s", in_folder("x"), text);
    CHECK_EQ_STR(mr_error(), wanted);
}

/* A file of a header, with its right size, and so many bytes of data. */
static void check_header(const char *header, size_t data, const char *text)
{
    check_bytes(with_size(strlen(header), header, strlen(header), data), text);
}

static void test_size_of_header(void)
{
    check_bytes(0, "0 bytes are too few for a safetensors file");
    check_bytes(7, "7 bytes are too few for a safetensors file");
    check_bytes(with_size(0, "", 0, 0), "no safetensors file: its header does not begin with {");
    check_bytes(with_size(3, "{}", 2, 0), "its header should have 3 bytes, 2 are there");
    check_bytes(with_size(100000000, "{}", 2, 0), "its header should have 100000000 bytes, 2 are there");
    check_bytes(with_size(100000001, "{}", 2, 0),
                "no safetensors file: its header would have 100000001 bytes, more than 100000000");
    check_bytes(with_size(UINT64_MAX, "{}", 2, 0),
                "no safetensors file: its header would have 18446744073709551615 bytes, more than 100000000");
    check_bytes(with_size(UINT64_MAX - 7, "{}", 2, 0),
                "no safetensors file: its header would have 18446744073709551608 bytes, more than 100000000");
    check_bytes(with_size(2, " {}", 3, 0), "no safetensors file: its header does not begin with {");
    check_bytes(with_size(2, "[]", 2, 0), "no safetensors file: its header does not begin with {");
    static const char zip[] = "PK\3\4\24\0\0\0\10\10archive/data.pkl"; /* what torch.save writes */
    memcpy(bytes, zip, sizeof zip);
    check_bytes(sizeof zip, "a file of torch.save, not safetensors; in Python "
                            "safetensors.torch.save_file(model.state_dict(), path) writes one");
}

#define X(entry) "{\"x\":" entry "}"

static void test_json(void)
{
    check_bytes(with_size(1, "{}", 2, 0),
                "its header is no JSON: at byte 1, string or '}' expected near end of file");
    check_header("{\"x\"}", 0, "its header is no JSON: at byte 5, ':' expected near '}'");
    check_header("{}x", 0, "its header is no JSON: at byte 3, end of file expected near 'x'");
    check_header("{} {}", 0, "its header is no JSON: at byte 4, end of file expected near '{'");
    check_header("{\"x\xff\":1}", 0,
                 "its header is no JSON: at byte 3, unable to decode byte 0xff near '\"x'");
    check_header(
        "{\"x\\u0000\":1}", 0,
        "its header is no JSON: at byte 10, NUL byte in object key not supported near '\"x\\u0000\"'");
    check_header("{\"x\\ud800\":1}", 0,
                 "its header is no JSON: at byte 10, invalid Unicode '\\uD800' near '\"x\\ud800\"'");
    check_header("{\"x\":{},\"x\":{}}", 0,
                 "its header is no JSON: at byte 11, duplicate object key near '\"x\"'");
    check_header(X("{\"dtype\":\"F32\",\"dtype\":\"F32\"}"), 0,
                 "its header is no JSON: at byte 27, duplicate object key near '\"dtype\"'");
    check_header("{\"__metadata__\":{},\"__metadata__\":{}}", 0,
                 "its header is no JSON: at byte 33, duplicate object key near '\"__metadata__\"'");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[18446744073709551616],\"data_offsets\":[0,4]}"), 4,
                 "its header is no JSON: at byte 49, too big integer near '18446744073709551616'");
    enum { DEPTH = 30000 };
    static char deep[DEPTH + 1];
    memset(deep, '[', DEPTH);
    memcpy(deep, "{\"x\":", 5);
    check_header(deep, 0, "its header is no JSON: at byte 2053, maximum parsing depth reached near '['");
}

static void test_entries(void)
{
    check_header("{\"x\":1}", 0, "x has no dtype");
    check_header("{\"x\":null}", 0, "x has no dtype");
    check_header("{\"x\":[]}", 0, "x has no dtype");
    check_header("{\"\":{}}", 0, " has no dtype");
    check_header(X("{\"dtype\":3}"), 0, "x has no dtype");
    check_header(X("{\"dtype\":\"F99\"}"), 0, "x has a dtype that is not supported: F99");
    check_header(X("{\"dtype\":\"F8_E4M3\"}"), 0, "x has a dtype that is not supported: F8_E4M3");
    check_header(X("{\"dtype\":\"\"}"), 0, "x has a dtype that is not supported: ");
    check_header(X("{\"dtype\":\"F32\"}"), 0, "x has no shape");
    check_header(X("{\"dtype\":\"F32\",\"shape\":4}"), 0, "x has no shape");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]}"), 0,
                 "x has 9 dimensions, more than the 8 supported");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[2,-1]}"), 0, "x has a shape of something else than sizes");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[2.0]}"), 0, "x has a shape of something else than sizes");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[\"2\"]}"), 0, "x has a shape of something else than sizes");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[null]}"), 0, "x has a shape of something else than sizes");
}

#define F32_2 "\"dtype\":\"F32\",\"shape\":[2],"

static void test_offsets(void)
{
    static const char none[] = "x has no data_offsets [begin, end]";
    check_header(X("{\"dtype\":\"F32\",\"shape\":[2]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":8}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[8]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[0,8,9]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[0,\"8\"]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[0.0,8]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[8,0]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[-8,0]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":[-16,-8]}"), 8, none);
    check_header(X("{" F32_2 "\"data_offsets\":{\"0\":0,\"1\":8}}"), 8, none);
}

static void test_sizes(void)
{
    check_header(X("{" F32_2 "\"data_offsets\":[0,7]}"), 7,
                 "x[2] of F32 takes 8 bytes, its data_offsets leave 7");
    check_header(X("{" F32_2 "\"data_offsets\":[0,9223372036854775807]}"), 8,
                 "x[2] of F32 takes 8 bytes, its data_offsets leave 9223372036854775807");
    check_header(X("{\"dtype\":\"I16\",\"shape\":[],\"data_offsets\":[0,0]}"), 0,
                 "x[] of I16 takes 2 bytes, its data_offsets leave 0");
    check_header(X("{\"dtype\":\"F64\",\"shape\":[3,0],\"data_offsets\":[0,8]}"), 8,
                 "x[3,0] of F64 takes 0 bytes, its data_offsets leave 8");
    check_header(X("{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}"), 0,
                 "x[4294967296,4294967296] has too many elements");
    check_header(X("{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}"), 0,
                 "x[4611686018427387904] has too many elements");
    check_header(
        X("{\"dtype\":\"U8\",\"shape\":[9223372036854775807],\"data_offsets\":[0,9223372036854775807]}"), 0,
        "its tensors take 9223372036854775807 bytes, behind the header are 0");
}

#define A_AND_B(a, b)                                                 \
    "{\"a\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" a "}," \
    "\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":" b "}}"

static void test_places(void)
{
    check_header(A_AND_B("[0,4]", "[2,6]"), 6, "the data of b begin at 2, where a ends at 4"); /* overlap */
    check_header(A_AND_B("[0,4]", "[0,4]"), 4, "the data of b begin at 0, where a ends at 4");
    check_header(A_AND_B("[0,4]", "[5,9]"), 9, "the data of b begin at 5, where a ends at 4"); /* a hole */
    check_header(A_AND_B("[5,9]", "[0,4]"), 9, "the data of a begin at 5, where b ends at 4");
    check_header(A_AND_B("[1,5]", "[5,9]"), 9, "the data of a begin at 1, where the header ends at 0");
    check_header(A_AND_B("[0,4]", "[4,8]"), 7, "its tensors take 8 bytes, behind the header are 7");
    check_header(A_AND_B("[0,4]", "[4,8]"), 9,
                 "its tensors take 8 bytes, behind the header are 9"); /* trailing */
    check_header("{}", 1, "its tensors take 0 bytes, behind the header are 1");
}

static void test_metadata(void)
{
    check_header("{\"__metadata__\":[]}", 0, "its __metadata__ is no object");
    check_header("{\"__metadata__\":\"pt\"}", 0, "its __metadata__ is no object");
    check_header("{\"__metadata__\":{\"epoch\":3}}", 0, "'epoch' in its __metadata__ is no text");
    check_header("{\"__metadata__\":{\"a\":\"b\",\"c\":{\"d\":\"e\"}}}", 0,
                 "'c' in its __metadata__ is no text");
}

/* ---- how names and paths are shown ---- */

/* Long names are cut, between characters, and shown without control characters. */
static void test_shown_names(void)
{
    char header[600], wanted[400];
    const char *umlauts = "üüüüüüüüüüüüüüüüüüüü"; /* 40 bytes */
    snprintf(header, sizeof header, "{\"x%s%s%s\":1}", umlauts, umlauts, umlauts);
    snprintf(wanted, sizeof wanted, "x%s%.38s... has no dtype", umlauts, umlauts);
    check_header(header, 0, wanted);
    check_header("{\"a\\nb\\u001b[31m\x7f\":1}", 0, "a?b?[31m? has no dtype");
    check_header(X("{\"dtype\":\"F\\r\\n32\"}"), 0, "x has a dtype that is not supported: F??32");
}

static void test_long_path(void)
{
    char path[700], wanted[600];
    snprintf(path, sizeof path, "%s", files_folder);
    while (strlen(path) < 400)
        strcat(path, "/folder");
    CHECK_EQ_I64(mr__mkdirs(path), MR_OK);
    strcat(path, "/x");
    file_put(path, "x", 1);
    CHECK(mr__safetensors_read(path) == NULL);
    snprintf(wanted, sizeof wanted, "load '...%.200s': 1 bytes are too few for a safetensors file",
             path + strlen(path) - 200);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void check_unreadable(const char *path, const char *reason)
{
    char wanted[600];
    CHECK(mr__safetensors_read(path) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot read '%s': %s", path, reason);
    CHECK_EQ_STR(mr_error(), wanted);
}

static void test_unreadable(void)
{
    check_unreadable(in_folder("none"), "No such file or directory");
    check_unreadable(in_folder("x/y"), "Not a directory");
    check_unreadable(files_folder, "Is a directory");
    check_unreadable("", "No such file or directory");
}

/* ---- every damage ---- */

static size_t read_golden(const char *path, char *to)
{
    size_t size = 0;
    const char *from = file_contents(path, &size);
    memcpy(to, from, size);
    return size;
}

/* Reads the bytes as a file: a failure of the format, or a file in which everything lies where it says. */
static bool survives(const char *from, size_t count)
{
    char start[600];
    file_put(in_folder("y"), from, count);
    mr_error_clear();
    mr__safetensors *file = mr__safetensors_read(in_folder("y"));
    if (!file) {
        snprintf(start, sizeof start, "load '%s': ", in_folder("y"));
        CHECK_EQ_I64(mr_error_status(), MR_ERR_FORMAT);
        const char *text = mr_error();
        CHECK(strncmp(text, start, strlen(start)) == 0 && strlen(text) > strlen(start));
        for (; *text; text++)
            if (!CHECK((unsigned char)*text >= ' ' && *text != 0x7f))
                break;
        return false;
    }
    size_t bytes_there = 0;
    unsigned sum = 0;
    for (size_t i = 0; i < file->count; i++) {
        const mr__safetensor *tensor = &file->tensors[i];
        CHECK(strlen(tensor->name) < count);
        for (size_t j = 0; j < tensor->bytes; j++) /* an error under AddressSanitizer, were they not there */
            sum += ((const unsigned char *)tensor->data)[j];
        bytes_there += tensor->bytes;
    }
    CHECK(bytes_there < count && sum < 256 * count);
    mr__safetensors_free(file);
    return true;
}

static void test_cut(void)
{
    static char whole[1 << 16];
    static const char *const files[] = { MR_TEST_DATA "/canonical.safetensors",
                                         MR_TEST_DATA "/by_hand.safetensors" };
    for (int f = 0; f < 2; f++) {
        size_t size = read_golden(files[f], whole);
        for (size_t cut = 0; cut < size; cut++)
            if (!CHECK(!survives(whole, cut)))
                printf("    cut at %zu\n", cut);
        CHECK(survives(whole, size));
        whole[size] = 0;
        CHECK(!survives(whole, size + 1));
    }
}

static void test_every_bit(void)
{
    static char whole[1 << 16];
    size_t size = read_golden(MR_TEST_DATA "/canonical.safetensors", whole), header = 0;
    int good = 0;
    for (int i = 0; i < 4; i++)
        header |= (size_t)(unsigned char)whole[i] << (8 * i);
    if (!CHECK(header > 500 && header < size))
        return;
    for (size_t at = 0; at < 8 + header; at++)
        for (int bit = 0; bit < 8; bit++) {
            whole[at] = (char)(whole[at] ^ 1 << bit);
            good += survives(whole, size);
            whole[at] = (char)(whole[at] ^ 1 << bit);
        }
    CHECK(good > 100 && good < 5000); /* another letter in a name is no damage; most changes are */
    CHECK(survives(whole, size));
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_size_of_header);
    RUN(test_json);
    RUN(test_entries);
    RUN(test_offsets);
    RUN(test_sizes);
    RUN(test_places);
    RUN(test_metadata);
    RUN(test_shown_names);
    RUN(test_long_path);
    RUN(test_unreadable);
    RUN(test_cut);
    RUN(test_every_bit);
    return files_report();
}
