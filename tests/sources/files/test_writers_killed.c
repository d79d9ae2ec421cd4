/* Writers whose program ends while they note where they stand. */
#include <millrace/sources/arrays.h>
#include <millrace/sources/writers.h>

#include "check.h"
#include "files.h"

#include <sys/wait.h>

enum { ROWS = 100 };

static mr_status write_numbers(double save_every)
{
    mr_dataset *d = mr_arrays_new(&(mr_array_file){ .path = in_folder("numbers.npy") }, 1);
    const mr_tokens_write_opts opts = { .write = { .save_every = save_every } };
    const mr_status s = mr_tokens_write(d, "numbers", in_folder("tokens"), &opts);
    mr_dataset_free(d);
    return s;
}

/* The kernel ends it at the second byte of any file. */
static void test_died_in_a_note(void)
{
    mr_tensor *numbers = mr_tensor_arange(MR_INT64, 0, ROWS, 1);
    CHECK_EQ_I64(mr_npy_save(numbers, in_folder("numbers.npy")), MR_OK);
    mr_tensor_free(numbers);
    fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){ 1, 1 });
        signal(SIGXFSZ, SIG_DFL);
        _exit(write_numbers(1e-9) == MR_OK);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
    CHECK_EQ_I64(count_entries(files_folder), 3); /* the numbers, no token yet, and a note that has begun */
    CHECK_EQ_I64(write_numbers(0), MR_OK);
    CHECK_EQ_I64(count_entries(files_folder), 2);
    size_t size;
    const char *tokens = file_contents(in_folder("tokens"), &size);
    CHECK_EQ_I64(size, ROWS * sizeof(uint16_t));
    for (int i = 0; i < ROWS; i++)
        CHECK_EQ_I64(((const uint16_t *)(const void *)tokens)[i], i);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_died_in_a_note);
    return files_report();
}
