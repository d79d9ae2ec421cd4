/* CRC-32C: the check value of its definition, RFC 3720's examples, and that both ways give the same in any pieces. */
#include "check.h"

#include "base/crc32c.h"

static void check_of(const void *bytes, size_t count, uint32_t wanted)
{
    CHECK_EQ_I64(mr__crc32c(0, bytes, count), wanted);
    CHECK_EQ_I64(mr__crc32c_plain(0, bytes, count), wanted);
}

static void test_known(void)
{
    unsigned char bytes[32] = { 0 };
    check_of("", 0, 0);
    check_of("123456789", 9, 0xe3069283);
    check_of(bytes, 32, 0x8a9136aa);
    memset(bytes, 0xff, 32);
    check_of(bytes, 32, 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)i;
    check_of(bytes, 32, 0x46dd794e);
    for (int i = 0; i < 32; i++)
        bytes[i] = (unsigned char)(31 - i);
    check_of(bytes, 32, 0x113fdb5c);
}

static void test_pieces(void)
{
    unsigned char bytes[100];
    for (int i = 0; i < 100; i++)
        bytes[i] = (unsigned char)(i * i + 7);
    uint32_t whole = mr__crc32c(0, bytes, 100);
    for (size_t cut = 0; cut <= 100; cut++) {
        CHECK_EQ_I64(mr__crc32c(mr__crc32c(0, bytes, cut), bytes + cut, 100 - cut), whole);
        CHECK_EQ_I64(mr__crc32c_plain(mr__crc32c_plain(0, bytes, cut), bytes + cut, 100 - cut), whole);
    }
}

int main(void)
{
    RUN(test_known);
    RUN(test_pieces);
    return check_report();
}
