/* libarchive by itself goes through a tar file: peer-tar_libarchive FILE prints milliseconds, and the sum of the labels
 * and of all contents' sizes. Each member is read to the same memory. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

int main(int argc, char **argv)
{
    static char bytes[1 << 20];
    if (argc != 2)
        return 2;
    double begin = now();
    long long labels = 0, sum = 0;
    struct archive *archive = archive_read_new();
    struct archive_entry *entry;
    archive_read_support_format_tar(archive);
    archive_read_support_filter_gzip(archive);
    archive_read_support_filter_zstd(archive);
    if (archive_read_open_filename(archive, argv[1], 1 << 18) != ARCHIVE_OK)
        return 1;
    while (archive_read_next_header(archive, &entry) == ARCHIVE_OK) {
        const size_t size = (size_t)archive_entry_size(entry);
        if (size >= sizeof bytes || archive_read_data(archive, bytes, size) != (la_ssize_t)size)
            return 1;
        bytes[size] = 0;
        if (strstr(archive_entry_pathname(entry), ".jpg"))
            sum += (long long)size;
        else
            labels += atoll(bytes);
    }
    printf("%.2f %lld,%lld\n", now() - begin, labels, sum);
    archive_read_free(archive);
    return 0;
}
