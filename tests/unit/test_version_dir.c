/* The numbering of version folders. */
#include "files.h"

#include "base/alloc.h"
#include "train/version_dir.h"

#include <pthread.h>

static void check_version(const char *save_dir, const char *name, int64_t wanted, const char *wanted_path)
{
    int64_t version = -1;
    char *path = mr__version_dir_make(save_dir, name, &version);
    CHECK_EQ_I64(version, wanted);
    CHECK_EQ_STR(path, wanted_path);
    struct stat there;
    CHECK(path && stat(path, &there) == 0 && S_ISDIR(there.st_mode));
    mr__free(path);
}

static void test_versions(void)
{
    char save_dir[128];
    snprintf(save_dir, sizeof save_dir, "%s", in_folder("logs"));
    check_version(save_dir, "net", 0, in_folder("logs/net/version_0"));
    check_version(save_dir, "net", 1, in_folder("logs/net/version_1"));
    mkdir(in_folder("logs/net/version_7"), 0777); /* gaps are not filled */
    mkdir(in_folder("logs/net/version_x"), 0777);
    mkdir(in_folder("logs/net/version_"), 0777);
    mkdir(in_folder("logs/net/version_30_old"), 0777);
    mkdir(in_folder("logs/net/version_99999999999999999999"), 0777);
    mkdir(in_folder("logs/net/aversion_40"), 0777);
    check_version(save_dir, "net", 8, in_folder("logs/net/version_8"));
    mkdir(in_folder("logs/net/version_0010"), 0777);
    check_version(save_dir, "net", 11, in_folder("logs/net/version_11"));
    fclose(fopen(in_folder("logs/net/version_20"), "w")); /* a file is no version, but in the way */
    fclose(fopen(in_folder("logs/net/version_12"), "w"));
    check_version(save_dir, "net", 13, in_folder("logs/net/version_13"));
    check_version(save_dir, "", 0, in_folder("logs/version_0"));
    check_version(save_dir, NULL, 1, in_folder("logs/version_1"));
}

/* However the path is written. */
static void test_numbers(void)
{
    char here[200];
    mkdir(in_folder("version_17"), 0777);
    mkdir(in_folder("plain"), 0777);
    CHECK(symlink("version_17", in_folder("latest")) == 0);
    CHECK_EQ_I64(mr__version_number("a/version_3"), 3);
    CHECK_EQ_I64(mr__version_number("a/version_3/"), 3);
    CHECK_EQ_I64(mr__version_number("version_3//"), 3);
    CHECK_EQ_I64(mr__version_number("/"), -1);
    CHECK_EQ_I64(mr__version_number(""), -1);
    CHECK_EQ_I64(mr__version_number(in_folder("latest")), 17);
    CHECK_EQ_I64(mr__version_number(in_folder("version_17/.")), 17);
    CHECK_EQ_I64(mr__version_number(in_folder("plain")), -1);
    CHECK(getcwd(here, sizeof here) && chdir(in_folder("version_17")) == 0);
    CHECK_EQ_I64(mr__version_number("."), 17);
    CHECK(chdir(here) == 0);
}

/* Folders of evaluations are numbered for themselves. */
static void test_evaluations(void)
{
    int64_t version;
    char save_dir[128];
    snprintf(save_dir, sizeof save_dir, "%s", in_folder("logs"));
    for (int i = 0; i < 2; i++) {
        char *path = mr__evaluation_dir_make(save_dir, "evaluated");
        CHECK_EQ_STR(path, in_folder(i ? "logs/evaluated/evaluation_1" : "logs/evaluated/evaluation_0"));
        CHECK_EQ_I64(mr__version_number(path), -1);
        mr__free(path);
    }
    CHECK(!mr__version_dir_last(save_dir, "evaluated", &version) && version == -1);
    check_version(save_dir, "evaluated", 0, in_folder("logs/evaluated/version_0"));
}

static void test_version_errors(void)
{
    int64_t version = 0;
    fclose(fopen(in_folder("a_file"), "w"));
    char save_dir[128], wanted[600];
    snprintf(save_dir, sizeof save_dir, "%s", in_folder("a_file"));
    CHECK(mr__version_dir_make(save_dir, "net", &version) == NULL);
    CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
    snprintf(wanted, sizeof wanted, "cannot make folder '%s/net': Not a directory", save_dir);
    CHECK_EQ_STR(mr_error(), wanted);
}

/* Folders in which one may not write, not look, or neither. */
static void test_version_permissions(void)
{
    int64_t version = 0;
    char save_dir[300], parent[320], wanted[600];
    snprintf(save_dir, sizeof save_dir, "/tmp/millrace-versions-%ld", (long)getpid());
    snprintf(parent, sizeof parent, "%s/net", save_dir);
    CHECK(mkdir(save_dir, 0777) == 0 && mkdir(parent, 0777) == 0);
    for (int mode = 0; mode < 3; mode++) {
        CHECK(chmod(parent, mode == 0 ? 0555 : 0333) == 0 && chmod(save_dir, mode == 2 ? 0555 : 0777) == 0);
        files_be_nobody(true);
        CHECK(mr__version_dir_make(save_dir, mode == 2 ? "other" : "net", &version) == NULL);
        files_be_nobody(false);
        CHECK_EQ_I64(mr_error_status(), MR_ERR_IO);
        snprintf(wanted, sizeof wanted, "cannot %s '%s%s': Permission denied",
                 mode == 1 ? "list folder" : "make folder", mode == 2 ? save_dir : parent,
                 mode == 0   ? "/version_0"
                 : mode == 1 ? ""
                             : "/other");
        CHECK_EQ_STR(mr_error(), wanted);
    }
    CHECK(chmod(save_dir, 0777) == 0 && rmdir(parent) == 0 && rmdir(save_dir) == 0);
}

enum { THREADS = 4, EACH = 25 };

static void *make_versions(void *user)
{
    int64_t *versions = user;
    char save_dir[128];
    snprintf(save_dir, sizeof save_dir, "%s/race", files_folder);
    for (int i = 0; i < EACH; i++) {
        versions[i] = -1;
        mr__free(mr__version_dir_make(save_dir, "net", &versions[i]));
    }
    return NULL;
}

/* Nobody gets a folder that somebody else got. */
static void test_race(void)
{
    pthread_t threads[THREADS];
    int64_t versions[THREADS][EACH];
    int taken[THREADS * EACH] = { 0 };
    for (int t = 0; t < THREADS; t++)
        CHECK(pthread_create(&threads[t], NULL, make_versions, versions[t]) == 0);
    for (int t = 0; t < THREADS; t++)
        pthread_join(threads[t], NULL);
    for (int t = 0; t < THREADS; t++)
        for (int i = 0; i < EACH; i++)
            if (CHECK(versions[t][i] >= 0 && versions[t][i] < THREADS * EACH))
                taken[versions[t][i]]++;
    for (int i = 0; i < THREADS * EACH; i++)
        CHECK_EQ_I64(taken[i], 1);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_versions);
    RUN(test_numbers);
    RUN(test_evaluations);
    RUN(test_version_errors);
    RUN(test_version_permissions);
    RUN(test_race);
    return files_report();
}
