/* What a fit prints, and where: summary and stop line on stderr, the progress bar on stdout, which is one line
 * that is drawn over on a terminal, and a few plain lines elsewhere. */
#include "check.h"
#include "fit.h"

#include <fcntl.h>
#include <pthread.h>
#include <regex.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

/* ---- steps ---- */

static int64_t step_ms, pause_ms; /* for each step; before the first of each epoch but the first */

static void wait_ms(int64_t ms)
{
    if (ms)
        nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000 }, NULL);
}

static mr_tensor *log_and_wait(mr_step *s, const mr_batch *b, mr_tensor *loss)
{
    (void)b;
    wait_ms(step_ms);
    if (s->epoch > 0 && s->batch_index == 0)
        wait_ms(pause_ms);
    mr_log(s, "loss", fit_value(s, 0.25), &(mr_log_opts){ .prog_bar = true });
    mr_log(s, "hidden", fit_value(s, 0.5), NULL);
    mr_log(s, "acc", fit_value(s, 1), &(mr_log_opts){ .prog_bar = true, .no_logger = true });
    return s->global_step == 7 && pause_ms < 0 ? mr_mul_scalar(s->tape, loss, NAN) : loss;
}

static mr_trainer_opts into(const char *name)
{
    return (mr_trainer_opts){ .max_epochs = 2, .csv = files_folder, .name = name, .no_checkpoint = true };
}

static mr_status run(int64_t samples, const mr_trainer_opts *opts)
{
    fit f = fit_new(samples);
    hook.step = log_and_wait;
    mr_trainer *t = mr_trainer_new(opts);
    mr_status status = mr_trainer_fit(t, f.task, f.loader);
    mr_trainer_free(t);
    fit_free(&f);
    return status;
}

/* ---- files in the place of stdout and stderr ---- */

static int keep(FILE *stream, int instead)
{
    fflush(stream);
    int kept = dup(fileno(stream));
    CHECK(kept >= 0 && dup2(instead, fileno(stream)) >= 0);
    return kept;
}

static void give_back(FILE *stream, int kept)
{
    fflush(stream);
    CHECK(dup2(kept, fileno(stream)) >= 0 && close(kept) == 0);
}

static mr_status run_into_files(int64_t samples, const mr_trainer_opts *opts)
{
    int out = open(in_folder("out"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int err = open(in_folder("err"), O_WRONLY | O_CREAT | O_TRUNC, 0666);
    int kept_out = keep(stdout, out), kept_err = keep(stderr, err);
    mr_status status = run(samples, opts);
    give_back(stdout, kept_out);
    give_back(stderr, kept_err);
    CHECK(close(out) == 0 && close(err) == 0);
    return status;
}

static bool matches(const char *text, const char *pattern)
{
    regex_t regex;
    if (!CHECK(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) == 0))
        return false;
    bool matched = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return matched;
}

static void check_matches(const char *text, const char *pattern)
{
    if (!CHECK(matches(text, pattern)))
        printf("    %s\n    does not match %s\n", text, pattern);
}

#define SUMMARY                                \
    "\n"                                       \
    "  | Name         | Type | Params\n"       \
    "--------------------------------------\n" \
    "  | other params | n/a  | 2     \n"       \
    "--------------------------------------\n" \
    "2         Trainable params\n"             \
    "0         Non-trainable params\n"         \
    "2         Total params\n"                 \
    "0.000     Total estimated model params size (MB)\n"

#define FEW_BATCHES                                                                                         \
    "fit: an epoch has 3 batches, fewer than log_every_n_steps, 50: set it lower to see the steps of each " \
    "epoch in the log\n"

#define CLOCK "[0-9][0-9]:[0-9][0-9]"
#define RATE " *[0-9]+\\.[0-9][0-9]it/s"

static void test_streams(void)
{
    mr_trainer_opts opts = into("streams");
    CHECK_EQ_I64(run_into_files(10, &opts), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("err"), NULL),
                 SUMMARY FEW_BATCHES "`Trainer.fit` stopped: `max_epochs=2` reached.\n");
    check_matches(file_contents(in_folder("out"), NULL),
                  "^Epoch 1: 100%[|]██████████[|] 3/3 \\[" CLOCK "<00:00, " RATE
                  ", v_num=0, loss=0.250, acc=1.000\\]\n$");

    opts.max_epochs = 0;
    opts.max_steps = 4;
    CHECK_EQ_I64(run_into_files(10, &opts), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("err"), NULL),
                 SUMMARY FEW_BATCHES "`Trainer.fit` stopped: `max_steps=4` reached.\n");
    check_matches(file_contents(in_folder("out"), NULL),
                  "^Epoch 1:  33%[|]███▎      [|] 1/3 \\[" CLOCK "<" CLOCK ", " RATE
                  ", v_num=1, loss=0.250, acc=1.000\\]\n$");

    opts.no_progress = true;
    CHECK_EQ_I64(run_into_files(10, &opts), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("out"), NULL), "");
    CHECK_EQ_STR(file_contents(in_folder("err"), NULL),
                 SUMMARY FEW_BATCHES "`Trainer.fit` stopped: `max_steps=4` reached.\n");

    opts.no_progress = false;
    opts.no_summary = true;
    opts.csv = NULL; /* and no version */
    CHECK_EQ_I64(run_into_files(10, &opts), MR_OK);
    CHECK_EQ_STR(file_contents(in_folder("err"), NULL), "");
    check_matches(file_contents(in_folder("out"), NULL), "^Epoch 1: .*it/s, loss=0.250, acc=1.000\\]\n$");
}

static void test_failed_fit(void)
{
    const mr_trainer_opts opts = { .max_epochs = 9 };
    pause_ms = -1;
    CHECK_EQ_I64(run_into_files(10, &opts), MR_ERR_NONFINITE);
    pause_ms = 0;
    const char *said = file_contents(in_folder("err"), NULL);
    CHECK(strncmp(said, SUMMARY, strlen(SUMMARY)) == 0 && !strstr(said, "stopped")); /* nothing was reached */
    check_matches(file_contents(in_folder("out"), NULL), "^Epoch 2:  33%[^\n]* 1/3 [^\n]*\n$");
}

/* Half a second, without a terminal: the last line alone. */
static void test_sparse(void)
{
    const mr_trainer_opts opts = { .max_epochs = 5 };
    step_ms = 10;
    CHECK_EQ_I64(run_into_files(40, &opts), MR_OK);
    step_ms = 0;
    check_matches(file_contents(in_folder("out"), NULL), "^Epoch 4: 100%[^\r\n]* 10/10 [^\r\n]*\n$");
}

/* ---- a terminal ---- */

enum { COLUMNS = 90 };

static char drawn[1 << 16];
static size_t drawn_bytes;

/* Reads the other end of the terminal until it is closed. */
static void *read_terminal(void *user)
{
    int fd = *(int *)user;
    ssize_t got;
    while (drawn_bytes + 1 < sizeof drawn &&
           (got = read(fd, drawn + drawn_bytes, sizeof drawn - 1 - drawn_bytes)) > 0)
        drawn_bytes += (size_t)got;
    return NULL;
}

static bool open_terminal(int *near, int *far)
{
    struct termios mode;
    const struct winsize size = { .ws_row = 24, .ws_col = COLUMNS };
    *far = posix_openpt(O_RDWR | O_NOCTTY);
    if (*far < 0 || grantpt(*far) || unlockpt(*far))
        return false;
    *near = open(ptsname(*far), O_RDWR | O_NOCTTY);
    if (*near < 0 || tcgetattr(*near, &mode) || ioctl(*near, TIOCSWINSZ, &size))
        return false;
    mode.c_oflag &= (tcflag_t)~OPOST;
    return tcsetattr(*near, TCSANOW, &mode) == 0;
}

/* Fits with a terminal as stdout: what was drawn is in `drawn`. The seconds that it took; -1: no terminals. */
static double run_on_terminal(int64_t samples, const mr_trainer_opts *opts)
{
    int near = -1, far = -1;
    pthread_t reader;
    struct timespec began, ended;
    drawn_bytes = 0;
    if (!open_terminal(&near, &far) || pthread_create(&reader, NULL, read_terminal, &far)) {
        printf("no terminals here: not tested\n");
        return -1;
    }
    int kept = keep(stdout, near);
    clock_gettime(CLOCK_MONOTONIC, &began);
    mr_status status = run(samples, opts);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    give_back(stdout, kept);
    close(near);
    pthread_join(reader, NULL);
    close(far);
    drawn[drawn_bytes] = '\0';
    CHECK_EQ_I64(status, MR_OK);
    return (double)(ended.tv_sec - began.tv_sec) + 1e-9 * (double)(ended.tv_nsec - began.tv_nsec);
}

static int columns_of(const char *line)
{
    int columns = 0;
    for (; *line; line++)
        columns += ((unsigned char)*line & 0xc0) != 0x80;
    return columns;
}

/* One redraw, behind its carriage return; gives the epoch and the batches. */
static void check_line(const char *line, int *epoch, int *done)
{
    check_matches(line, "^Epoch [0-2]: [ 0-9]{3}%[|][ ▏▎▍▌▋▊▉█]*[|] [0-9]+/50 \\[" CLOCK "<(" CLOCK
                        "|[?]), (" RATE "|[?]it/s), v_num=0(, loss=0.250, acc=1.000)?\\]$");
    CHECK_EQ_I64(columns_of(line), COLUMNS);
    const char *numbers = strrchr(line, '|');
    CHECK(sscanf(line, "Epoch %d", epoch) == 1 && numbers && sscanf(numbers, "| %d/50", done) == 1);
}

static void test_terminal(void)
{
    const mr_trainer_opts opts = {
        .max_epochs = 3, .csv = files_folder, .name = "terminal", .no_summary = true
    };
    int redraws = 0, last = 0, epoch = 0, done = 0;
    step_ms = 6;
    double seconds = run_on_terminal(200, &opts);
    step_ms = 0;
    if (seconds < 0)
        return;
    const char *end = strchr(drawn, '\n');
    CHECK(end && end == drawn + drawn_bytes - 1); /* one line */
    CHECK(drawn[0] == '\r');
    drawn[strcspn(drawn, "\n")] = '\0';
    for (char *line = strtok(drawn, "\r"); line; line = strtok(NULL, "\r")) {
        check_line(line, &epoch, &done);
        CHECK(epoch * 50 + done >= last);
        last = epoch * 50 + done;
        redraws++;
        if (epoch == 2 && done == 50) {
            double rate = strtod(strchr(line, ',') + 1, NULL);
            CHECK(rate > 5 && rate < 1000 / 6.0);
        }
    }
    CHECK_EQ_I64(last, 150);
    CHECK(redraws >= 4);
    if (!CHECK(redraws <= 10 * seconds + 2)) /* the last one comes when it comes */
        printf("    %d redraws in %g seconds\n", redraws, seconds);
}

/* An epoch whose first step takes long: the bar shows that nothing is done of it yet. */
static void test_slow_first_step(void)
{
    const mr_trainer_opts opts = { .max_epochs = 2, .no_summary = true };
    bool zero = false;
    pause_ms = 350;
    double seconds = run_on_terminal(40, &opts);
    pause_ms = 0;
    if (seconds < 0)
        return;
    for (char *line = strtok(drawn, "\r\n"), *next; line; line = next) {
        next = strtok(NULL, "\r\n");
        zero |= matches(line, "^Epoch 1:   0%[|] *[|] 0/10 \\[00:00<[?], [?]it/s, loss=0.250, acc=1.000\\]$");
        if (next && !CHECK(strncmp(line, "Epoch 1: 100%", 13) != 0))
            printf("    %s\n", line);
    }
    CHECK(zero);
}

/* A rate is that of the batches that the fit has made, not of those that it has found done. */
static void test_resumed_within_an_epoch(void)
{
    mr_trainer_opts opts = into("resumed");
    static const char before[] = "<00:00, ";
    opts.no_checkpoint = false;
    opts.no_summary = true;
    opts.max_epochs = 1;
    opts.max_steps = 390;
    CHECK_EQ_I64(run_into_files(1600, &opts), MR_OK);
    opts.max_steps = -1;
    opts.resume = "last";
    step_ms = 10;
    CHECK_EQ_I64(run_into_files(1600, &opts), MR_OK);
    step_ms = 0;
    const char *line = file_contents(in_folder("out"), NULL);
    const char *at = strstr(line, before);
    const double rate = at ? strtod(at + strlen(before), NULL) : 0;
    if (!CHECK(rate > 0 && rate <= 100))
        printf("    %s", line);
}

int main(void)
{
    if (!files_begin())
        return 1;
    RUN(test_streams);
    RUN(test_failed_fit);
    RUN(test_sparse);
    RUN(test_terminal);
    RUN(test_slow_first_step);
    RUN(test_resumed_within_an_epoch);
    return files_report();
}
