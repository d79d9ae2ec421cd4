/* Storages: the disk, what is open already, one of a user's; going to a byte, faults in words. */
#include "check.h"
#include "files.h"
#include "refuse.h"
#include "said.h"

#include <millrace/storage.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

/* Reads `count` bytes, in however many pieces, and compares them. */
static void check_reads(mr_file *file, const char *wanted)
{
    char got[64] = "";
    size_t at = 0, count = strlen(wanted);
    for (int64_t n = 1; n > 0 && at<count; at += n> 0 ? (size_t)n : 0)
        n = mr_file_read(file, got + at, count - at);
    CHECK_EQ_STR(got, wanted);
}

static void check_ends(mr_file *file)
{
    char byte;
    CHECK_EQ_I64(mr_file_read(file, &byte, 1), 0);
    CHECK_EQ_I64(mr_file_read(file, &byte, 1), 0);
}

/* ---- the disk ---- */

static const char *digits(void)
{
    file_put(in_folder("digits"), "0123456789", 10);
    return in_folder("digits");
}

static void test_disk(void)
{
    mr_file *file = mr_file_open(NULL, digits());
    const mr_file_facts *known = mr_file_known(file);
    CHECK_EQ_I64(known->size, 10);
    CHECK_EQ_I64(known->access, MR_ACCESS_SEEK);
    CHECK(known->descriptor >= 0);
    CHECK(strstr(mr_file_name(file), "/digits") != NULL);
    check_reads(file, "0123");
    CHECK_EQ_I64(mr_file_seek(file, 8), MR_OK);
    check_reads(file, "89");
    check_ends(file);
    CHECK_EQ_I64(mr_file_seek(file, 1), MR_OK);
    check_reads(file, "12");
    CHECK_EQ_I64(mr_file_seek(file, 10), MR_OK);
    check_ends(file);
    CHECK_EQ_I64(mr_file_seek(file, 11), MR_ERR_STATE);
    check_said("/digits' has 10 bytes, and there was something at byte 11: it has changed");
    CHECK_EQ_I64(mr_file_seek(file, 4), MR_OK);
    CHECK_EQ_I64(mr_file_seek(file, 11), MR_ERR_STATE); /* it still stands where it stood */
    mr_error_clear();
    CHECK_EQ_I64(mr_file_seek(file, 10), MR_OK);
    check_ends(file);
    CHECK_EQ_I64(mr_file_seek(file, -1), MR_ERR_ARGUMENT);
    check_said("/digits' has no byte -1");
    mr_file_close(file);
}

static void test_pipe_with_a_name(void)
{
    char command[700];
    CHECK(mkfifo(in_folder("pipe"), 0600) == 0);
    snprintf(command, sizeof command, "printf 0123456789 >'%s' &", in_folder("pipe"));
    CHECK(system(command) == 0);
    mr_file *file = mr_file_open(NULL, in_folder("pipe"));
    CHECK_EQ_I64(mr_file_known(file)->access, MR_ACCESS_ONCE);
    CHECK_EQ_I64(mr_file_known(file)->size, -1);
    CHECK_EQ_I64(mr_file_known(file)->descriptor, -1);
    check_reads(file, "012");
    CHECK_EQ_I64(mr_file_seek(file, 3), MR_OK);
    CHECK_EQ_I64(mr_file_seek(file, 5), MR_ERR_STATE);
    check_said("/pipe' is read once, from front to back: it cannot go from byte 3 to 5");
    check_reads(file, "3456789");
    check_ends(file);
    mr_file_close(file);
}

static void test_standard_input(void)
{
    int before = dup(STDIN_FILENO), fd = open(digits(), O_RDONLY);
    dup2(fd, STDIN_FILENO);
    mr_file *file = mr_file_open(NULL, "-");
    CHECK_EQ_I64(mr_file_known(file)->access, MR_ACCESS_ONCE);
    check_reads(file, "0123456789");
    CHECK_EQ_I64(mr_file_seek(file, 0), MR_ERR_STATE);
    check_said("'-' is read once, from front to back: it cannot go from byte 10 to 0");
    mr_file_close(file);
    dup2(before, STDIN_FILENO);
    close(before);
    close(fd);
}

static void test_disk_faults(void)
{
    char byte;
    CHECK(!mr_file_open(NULL, "/nowhere/a"));
    check_said("cannot open '/nowhere/a': No such file or directory");
    CHECK(!mr_file_open(NULL, "https://nowhere/a"));
    check_said("cannot open 'https://nowhere/a' on the disk: a URL needs a storage of mr_storage_from_http");
    CHECK(!mr_file_open(NULL, NULL));
    check_said("file_open: name is NULL");
    mr_file *file = mr_file_open(NULL, files_folder);
    CHECK_EQ_I64(mr_file_read(file, &byte, 1), -1);
    check_said("': Is a directory");
    mr_file_close(file);
    CHECK_EQ_I64(mr_file_read(NULL, &byte, 1), -1);
    check_said("file_read: file is NULL");
    CHECK_EQ_I64(mr_file_seek(NULL, 1), MR_ERR_ARGUMENT);
    check_said("file_seek: file is NULL");
    mr_file_close(NULL);
    mr_storage_free(NULL);
    mr_storage_interrupt(NULL);
    CHECK(!mr_storage_hold(NULL));
}

/* ---- what is open already ---- */

static void test_descriptor_of_a_file(void)
{
    char byte;
    int fd = open(digits(), O_RDONLY);
    CHECK(lseek(fd, 5, SEEK_SET) == 5);
    mr_storage *storage = mr_storage_from_fd(fd);
    mr_file *a = mr_file_open(storage, "digits"), *b = mr_file_open(storage, "digits");
    mr_storage_free(storage); /* the files hold it */
    CHECK_EQ_I64(mr_file_known(a)->size, 10);
    check_reads(a, "0123");
    check_reads(b, "01");
    check_reads(a, "45");
    CHECK_EQ_I64(mr_file_seek(b, 9), MR_OK);
    check_reads(b, "9");
    check_ends(b);
    check_reads(a, "6");
    mr_storage_interrupt(storage);
    CHECK_EQ_I64(mr_file_read(a, &byte, 1), -1);
    check_said("'digits': interrupted");
    mr_file_close(a);
    mr_file_close(b);
    close(fd);
    CHECK(!mr_storage_from_fd(-1));
    check_said("storage_from_fd: -1 is no descriptor");
}

static void test_socket(void)
{
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) ==
          0); /* one that does not wait is waited for */
    mr_storage *storage = mr_storage_from_fd(pair[0]);
    mr_file *file = mr_file_open(storage, "sensor");
    CHECK(!mr_file_open(storage, "sensor"));
    check_said("'sensor' can be read once only");
    CHECK(write(pair[1], "abc", 3) == 3);
    check_reads(file, "abc");
    CHECK_EQ_I64(mr_file_seek(file, 0), MR_ERR_STATE);
    check_said("'sensor' is read once, from front to back: it cannot go from byte 3 to 0");
    close(pair[1]);
    check_ends(file);
    mr_file_close(file);
    mr_storage_free(storage);
    close(pair[0]);
}

static mr_storage *to_interrupt;

static void *interrupt_later(void *unused)
{
    nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
    mr_storage_interrupt(to_interrupt);
    return unused;
}

static void on_alarm(int number)
{
    (void)number;
    mr_storage_interrupt(to_interrupt);
}

static void check_interrupted(void (*begin)(void), void (*end)(void))
{
    int pair[2];
    char byte;
    CHECK(pipe(pair) == 0);
    to_interrupt = mr_storage_from_fd(pair[0]);
    mr_file *file = mr_file_open(to_interrupt, "sensor");
    begin();
    CHECK_EQ_I64(mr_file_read(file, &byte, 1), -1);
    check_said("'sensor': interrupted");
    CHECK(write(pair[1], "a", 1) == 1);
    CHECK_EQ_I64(mr_file_read(file, &byte, 1), -1);
    check_said("'sensor': interrupted");
    end();
    mr_file_close(file);
    mr_storage_free(to_interrupt);
    close(pair[0]);
    close(pair[1]);
}

static pthread_t other;

static void by_thread(void)
{
    CHECK(pthread_create(&other, NULL, interrupt_later, NULL) == 0);
}

static void join(void)
{
    pthread_join(other, NULL);
}

static void by_signal(void)
{
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    sigaction(SIGALRM, &action, NULL);
    CHECK(ualarm(20000, 0) == 0);
}

static void nothing(void) {}

static void test_interrupted(void)
{
    check_interrupted(by_thread, join);
    check_interrupted(by_signal, nothing);
}

/* ---- one of a user's: a text that is given in pieces of three bytes ---- */

typedef struct text {
    const char *text;
    mr_access access;
    uint64_t stamp;
} text;

typedef struct text_reader {
    const char *text;
    size_t at;
} text_reader;

static int opened, closed, destroyed, seeks;
static bool silent;

static void *text_open(void *self, const char *name, mr_file_facts *facts)
{
    text *t = *(text **)self;
    if (silent)
        return NULL;
    CHECK_EQ_STR(name, "text");
    CHECK(facts->size == -1 && facts->descriptor == -1 && facts->access == MR_ACCESS_SEEK && !facts->stamp);
    facts->access = t->access;
    facts->stamp = t->stamp;
    text_reader *r = malloc(sizeof *r);
    *r = (text_reader){ t->text, 0 };
    opened++;
    return r;
}

static int64_t text_read(void *self, void *bytes, size_t size)
{
    text_reader *r = self;
    size_t left = strlen(r->text) - r->at, n = size < 3 ? size : 3;
    if (silent)
        return -1;
    n = n < left ? n : left;
    memcpy(bytes, r->text + r->at, n);
    r->at += n;
    return (int64_t)n;
}

static mr_status text_seek(void *self, int64_t offset)
{
    ((text_reader *)self)->at = (size_t)offset;
    seeks++;
    return silent ? MR_ERR_IO : MR_OK;
}

static void text_close(void *self)
{
    closed++;
    free(self);
}

static void text_destroy(void *self)
{
    (void)self;
    destroyed++;
}

static void test_own(void)
{
    static const mr_storage_vtable vtable = {
        .open = text_open, .read = text_read, .close = text_close, .seek = text_seek, .destroy = text_destroy
    };
    text content = { "0123456789", MR_ACCESS_SEEK, 7 }, *self = &content;
    mr_storage *storage = mr_storage_new(&vtable, &self, sizeof self);
    mr_file *file = mr_file_open(storage, "text");
    check_reads(file, "01234");
    CHECK_EQ_I64(mr_file_seek(file, 1), MR_OK);
    CHECK_EQ_I64(seeks, 1);
    check_reads(file, "1234");
    mr_file_close(file);

    content.access = MR_ACCESS_AGAIN;
    file = mr_file_open(storage, "text");
    CHECK_EQ_I64(mr_file_seek(file, 4), MR_OK);
    CHECK_EQ_I64(opened, 2);
    check_reads(file, "456");
    CHECK_EQ_I64(mr_file_seek(file, 1), MR_OK);
    CHECK_EQ_I64(opened, 3);
    check_reads(file, "123");
    CHECK_EQ_I64(mr_file_seek(file, 12), MR_ERR_STATE);
    check_said("'text' has 10 bytes, and there was something at byte 12: it has changed");
    content.stamp = 8;
    CHECK_EQ_I64(mr_file_seek(file, 0), MR_ERR_STATE);
    check_said("'text' has changed since it was opened");
    CHECK_EQ_I64(seeks, 1);
    mr_file_close(file);
    CHECK_EQ_I64(closed, opened);

    silent = true; /* callbacks that fail without a word */
    CHECK(!mr_file_open(storage, "text"));
    check_said("'text' did not open, without a message");
    silent = false;
    content.access = MR_ACCESS_SEEK;
    file = mr_file_open(storage, "text");
    silent = true;
    CHECK_EQ_I64(mr_file_read(file, &(char){ 0 }, 1), -1);
    check_said("'text': reading failed without a message");
    CHECK_EQ_I64(mr_file_seek(file, 3), MR_ERR_IO);
    check_said("'text': a seek failed without a message");
    silent = false;
    mr_file_close(file);
    CHECK_EQ_I64(destroyed, 0);
    mr_storage_free(storage);
    CHECK_EQ_I64(destroyed, 1);

    CHECK(!mr_storage_new(&(mr_storage_vtable){ .open = text_open }, NULL, 0));
    check_said("storage_new: the vtable needs open, read and close");
}

/* ---- ranges ---- */

static const mr_file_range *asked;

static mr_status text_ranges(void *self, const mr_file_range *ranges, int64_t count)
{
    const text_reader *r = self;
    asked = ranges;
    for (int64_t i = 0; i < count && !silent; i++)
        if (ranges[i].size) /* its bytes may be NULL otherwise */
            memcpy(ranges[i].bytes, r->text + ranges[i].offset, ranges[i].size);
    return silent ? MR_ERR_IO : MR_OK;
}

static void check_ranges(mr_file *file)
{
    char a[5] = "", b[4] = "", c[2] = "";
    const mr_file_range ranges[] = { { 6, 4, a }, { 0, 3, b }, { 9, 1, c }, { 10, 0, NULL } };
    check_reads(file, "01");
    CHECK_EQ_I64(mr_file_read_ranges(file, ranges, 4), MR_OK);
    CHECK_EQ_STR(a, "6789");
    CHECK_EQ_STR(b, "012");
    CHECK_EQ_STR(c, "9");
    check_reads(file, "23"); /* reading goes on where it was */
    CHECK_EQ_I64(mr_file_read_ranges(file, &(mr_file_range){ -1, 1, a }, 1), MR_ERR_ARGUMENT);
    check_said("' has no 1 bytes from byte -1 on");
    CHECK_EQ_I64(mr_file_read_ranges(file, &(mr_file_range){ INT64_MAX, 2, a }, 1), MR_ERR_ARGUMENT);
    check_said("' has no 2 bytes from byte 9223372036854775807 on");
}

static void test_ranges(void)
{
    char bytes[4];
    mr_file *file = mr_file_open(NULL, digits());
    check_ranges(file);
    CHECK_EQ_I64(mr_file_read_ranges(file, &(mr_file_range){ 8, 3, bytes }, 1), MR_ERR_STATE);
    check_said("/digits' has 10 bytes, and there was something at byte 10: it has changed");
    mr_file_close(file);

    mr_storage_vtable vtable = {
        .open = text_open, .read = text_read, .close = text_close, .seek = text_seek, .destroy = text_destroy
    };
    text content = { "0123456789", MR_ACCESS_SEEK, 7 }, *self = &content;
    mr_storage *storage = mr_storage_new(&vtable, &self, sizeof self);
    file = mr_file_open(storage, "text");
    check_ranges(file);
    CHECK_EQ_I64(mr_file_read_ranges(file, &(mr_file_range){ 8, 3, bytes }, 1), MR_ERR_STATE);
    check_said("'text' ends before byte 10, and there was something: it has changed");
    mr_file_close(file);

    vtable.read_ranges = text_ranges;
    file = mr_file_open(storage, "text");
    check_ranges(file);
    CHECK(asked != NULL);
    silent = true;
    CHECK_EQ_I64(mr_file_read_ranges(file, &(mr_file_range){ 8, 2, bytes }, 1), MR_ERR_IO);
    check_said("'text': reading ranges failed without a message");
    silent = false;
    mr_file_close(file);
    content.access = MR_ACCESS_AGAIN;
    file = mr_file_open(storage, "text");
    CHECK_EQ_I64(mr_file_read_ranges(file, &(mr_file_range){ 8, 2, bytes }, 1), MR_ERR_ARGUMENT);
    check_said("file_read_ranges: 'text' cannot seek");
    mr_file_close(file);
    mr_storage_free(storage);
    CHECK_EQ_I64(mr_file_read_ranges(NULL, NULL, 0), MR_ERR_ARGUMENT);
    check_said("file_read_ranges: file is NULL");
}

/* ---- memory runs out ---- */

static double read_program(mr_status *status)
{
    char byte = 0;
    int fd = open(in_folder("digits"), O_RDONLY);
    mr_storage *storage = mr_storage_from_fd(fd);
    mr_file *files[2] = { storage ? mr_file_open(storage, "digits") : NULL,
                          mr_file_open(NULL, in_folder("digits")) };
    for (int i = 0; i < 2 && files[i]; i++)
        mr_file_read(files[i], &byte, 1);
    *status = mr__settle(mr__pending_status());
    mr_file_close(files[0]);
    mr_file_close(files[1]);
    mr_storage_free(storage);
    close(fd);
    return byte;
}

static void test_out_of_memory(void)
{
    digits();
    refuse_begin();
    refuse_each("storages", read_program, 6);
    refuse_end();
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_disk);
    RUN(test_pipe_with_a_name);
    RUN(test_standard_input);
    RUN(test_disk_faults);
    RUN(test_descriptor_of_a_file);
    RUN(test_socket);
    RUN(test_interrupted);
    RUN(test_own);
    RUN(test_ranges);
    RUN(test_out_of_memory);
    return files_report();
}
