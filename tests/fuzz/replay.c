/* A fuzzer's main in ordinary builds: gives it the files that are named, and those in the folders that are. */
#include "fuzz.h"

#include <dirent.h>
#include <sys/stat.h>

static int files;

static void replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    uint8_t *bytes = malloc(1 << 20);
    if (!file || !bytes)
        abort();
    const size_t size = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    uint8_t *exact = malloc(size ? size : 1); /* so that a sanitizer sees what is read behind it */
    for (size_t i = 0; exact && i < size; i++)
        exact[i] = bytes[i];
    free(bytes);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    files++;
}

static void replay(const char *path)
{
    struct stat about;
    if (stat(path, &about) == 0 && S_ISREG(about.st_mode)) {
        replay_file(path);
        return;
    }
    DIR *entries = opendir(path);
    const struct dirent *entry;
    char inside[1000];
    while (entries && (entry = readdir(entries)))
        if (*entry->d_name != '.') {
            snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
            replay(inside);
        }
    if (entries)
        closedir(entries);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%d files\n", files);
    return files == 0;
}
