/* CRC-32C (Castagnoli), the checksum of checkpoints and of TensorBoard's files. */
#ifndef MILLRACE_BASE_CRC32C_H
#define MILLRACE_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* The checksum of what `crc` is that of, followed by these bytes; that of nothing is 0. */
uint32_t mr__crc32c(uint32_t crc, const void *bytes, size_t count);

/* The same without the processor's instruction. */
uint32_t mr__crc32c_plain(uint32_t crc, const void *bytes, size_t count);

#endif
