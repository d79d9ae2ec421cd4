/* The progress bar: every state of golden/progress.txt, and what is drawn on a terminal and elsewhere. */
#include "check.h"

#include "train/progress.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { LINE = MR__PROGRESS_BYTES, METRICS = 8 };

/* Takes a state from its line, which is cut up. */
static bool parse(char *line, mr__progress_state *state, int *columns, const char **names, double *values)
{
    long long epoch = 0, done = 0, total = 0, version = 0;
    int used = 0;
    if (sscanf(line, "%lld %lld %lld %lf %d %lld%n", &epoch, &done, &total, &state->elapsed, columns,
               &version, &used) != 6)
        return false;
    state->epoch = epoch;
    state->done = done;
    state->total = total;
    state->version = version;
    state->names = names;
    state->values = values;
    for (char *word = strtok(line + used, " "); word && state->count < METRICS; word = strtok(NULL, " ")) {
        char *value = strchr(word, '=');
        *value++ = '\0';
        names[state->count] = word;
        values[state->count++] = strtod(value, NULL);
    }
    return true;
}

static void test_golden(void)
{
    static char state_line[LINE], wanted[LINE], line[LINE], told[LINE];
    FILE *file = fopen(MR_TEST_DATA "/progress.txt", "r");
    int cases = 0;
    if (!CHECK(file != NULL) || !CHECK(fgets(line, LINE, file) != NULL))
        return;
    for (; fgets(state_line, LINE, file) && fgets(wanted, LINE, file); cases++) {
        const char *names[METRICS];
        double values[METRICS];
        mr__progress_state state = { 0 };
        int columns = 0;
        wanted[strcspn(wanted, "\n")] = state_line[strcspn(state_line, "\n")] = '\0';
        memcpy(told, state_line, LINE);
        if (!CHECK(parse(state_line, &state, &columns, names, values)))
            break;
        int width = mr__progress_render(line, &state, columns);
        if (!CHECK_EQ_STR(line, wanted))
            printf("    state: %s\n", told);
        CHECK(!columns || width <= columns);
    }
    CHECK(cases > 100);
    fclose(file);
}

static const mr__progress_state halfway = {
    .epoch = 3, .done = 16, .total = 32, .elapsed = 0.02, .version = 1
};
static const mr__progress_state complete = {
    .epoch = 3, .done = 32, .total = 32, .elapsed = 0.04, .version = 1
};

/* What takes long to say is cut, and nothing is written behind the end. */
static void test_long_line(void)
{
    struct {
        char line[MR__PROGRESS_BYTES];
        char behind[8];
    } memory = { .behind = "behind" };
    static char name[5000];
    const char *names[] = { name };
    const double values[] = { 0.5 };
    memset(name, 'x', sizeof name - 1);
    mr__progress_state state = halfway;
    state.count = 1;
    state.names = names;
    state.values = values;
    for (int columns = 0; columns < 3000; columns += 100) {
        int width = mr__progress_render(memory.line, &state, columns);
        CHECK_EQ_I64(strlen(memory.line) < MR__PROGRESS_BYTES, true);
        CHECK(!columns || width <= columns);
    }
    state.count = 0;
    CHECK_EQ_I64(mr__progress_render(memory.line, &state, 100000), 1000);
    CHECK_EQ_STR(memory.behind, "behind");
}

static void test_missing_metrics(void)
{
    static const char *const names[] = { "loss", "val_loss" };
    const double values[] = { 0.5, 0.25 };
    const bool present[] = { false, true };
    char line[MR__PROGRESS_BYTES];
    mr__progress_state state = complete;
    state.count = 2;
    state.names = names;
    state.values = values;
    state.present = present;
    mr__progress_render(line, &state, 0);
    CHECK_EQ_STR(line, "Epoch 3: 100%|██████████| 32/32 [00:00<00:00, 800.00it/s, v_num=1, val_loss=0.250]");
}

/* A rate below one is still batches a second, also without a total (where tqdm turns it round). */
static void test_slow(void)
{
    char line[MR__PROGRESS_BYTES];
    const mr__progress_state state = { .done = 5, .total = -1, .elapsed = 20.0, .version = -1 };
    mr__progress_render(line, &state, 0);
    CHECK_EQ_STR(line, "Epoch 0: 5it [00:20,  0.25it/s]");
}

/* What was done before a resumption took no time here (tqdm's initial). */
static void test_resumed(void)
{
    char line[MR__PROGRESS_BYTES];
    mr__progress_state state = { .done = 26, .initial = 16, .total = 32, .elapsed = 5.0, .version = -1 };
    mr__progress_render(line, &state, 0);
    CHECK_EQ_STR(line, "Epoch 0:  81%|████████▏ | 26/32 [00:05<00:03,  2.00it/s]");
    state.done = 16;
    mr__progress_render(line, &state, 0);
    CHECK_EQ_STR(line, "Epoch 0:  50%|█████     | 16/32 [00:05<?, ?it/s]");
}

/* ---- drawing ---- */

static void read_back(FILE *file, char *text, size_t room)
{
    rewind(file);
    size_t got = fread(text, 1, room - 1, file);
    text[got] = '\0';
}

static void test_plain(void)
{
    char text[2 * LINE];
    FILE *file = tmpfile();
    if (!CHECK(file != NULL))
        return;
    mr__progress progress;
    mr__progress_begin(&progress, file, 100.0);
    CHECK(!progress.terminal);
    for (int i = 0; i < 250; i++) /* 25 seconds: lines at 10 and 20 */
        mr__progress_draw(&progress, &halfway, 100.0 + 0.1 * i);
    CHECK(!mr__progress_due(&progress, 129.9));
    CHECK(mr__progress_due(&progress, 130.2));
    mr__progress_end(&progress, &complete);
    read_back(file, text, sizeof text);
    CHECK_EQ_STR(text, "Epoch 3:  50%|█████     | 16/32 [00:00<00:00, 800.00it/s, v_num=1]\n"
                       "Epoch 3:  50%|█████     | 16/32 [00:00<00:00, 800.00it/s, v_num=1]\n"
                       "Epoch 3: 100%|██████████| 32/32 [00:00<00:00, 800.00it/s, v_num=1]\n");
    fclose(file);
}

/* Opens a terminal of `columns` columns; what is drawn on it is read from the other end. */
static FILE *open_terminal(int *other, unsigned short columns)
{
    *other = posix_openpt(O_RDWR | O_NOCTTY);
    if (*other < 0 || grantpt(*other) || unlockpt(*other))
        return NULL;
    int fd = open(ptsname(*other), O_RDWR | O_NOCTTY);
    struct termios mode;
    const struct winsize size = { .ws_row = 24, .ws_col = columns };
    if (fd < 0 || tcgetattr(fd, &mode))
        return NULL;
    mode.c_oflag &= (tcflag_t)~OPOST;
    if (tcsetattr(fd, TCSANOW, &mode) || ioctl(fd, TIOCSWINSZ, &size))
        return NULL;
    return fdopen(fd, "w");
}

/* What is written at one end of a terminal arrives at the other in parts, each a little later. */
static void read_to_newline(int fd, char *text, size_t room)
{
    size_t length = 0;
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    while (length + 1 < room && !memchr(text, '\n', length) && poll(&wait, 1, 5000) == 1) {
        ssize_t got = read(fd, text + length, room - 1 - length);
        if (got <= 0)
            break;
        length += (size_t)got;
    }
    text[length] = '\0';
}

static void test_terminal(void)
{
    char text[2 * LINE];
    static const char *const names[] = { "loss" };
    static const double values[] = { 0.5 };
    int other = -1;
    FILE *terminal = open_terminal(&other, 80);
    if (!terminal) {
        printf("no terminals here: not tested\n");
        return;
    }
    mr__progress progress;
    mr__progress_state longer = halfway;
    longer.count = 1;
    longer.names = names;
    longer.values = values;
    mr__progress_begin(&progress, terminal, 5.0);
    CHECK(progress.terminal);
    mr__progress_draw(&progress, &longer, 5.0);
    mr__progress_draw(&progress, &longer, 5.05); /* too early */
    const struct winsize narrow = { .ws_row = 24, .ws_col = 70 };
    ioctl(other, TIOCSWINSZ, &narrow);
    mr__progress_draw(&progress, &halfway, 5.2);
    const mr__progress_state unknown = { .epoch = 4, .done = 3, .total = -1, .elapsed = 0.5, .version = 1 };
    mr__progress_draw(&progress, &unknown, 5.4); /* shorter: the rest is blanked out */
    mr__progress_end(&progress, &complete);
    read_to_newline(other, text, sizeof text);
    CHECK_EQ_STR(text, "\rEpoch 3:  50%|██████      | 16/32 [00:00<00:00, 800.00it/s, v_num=1, loss=0.500]"
                       "\rEpoch 3:  50%|███████       | 16/32 [00:00<00:00, 800.00it/s, v_num=1]"
                       "\rEpoch 4: 3it [00:00,  6.00it/s, v_num=1]                              "
                       "\rEpoch 3: 100%|██████████████| 32/32 [00:00<00:00, 800.00it/s, v_num=1]\n");
    fclose(terminal);
    close(other);
}

int main(void)
{
    RUN(test_golden);
    RUN(test_long_line);
    RUN(test_missing_metrics);
    RUN(test_slow);
    RUN(test_resumed);
    RUN(test_plain);
    RUN(test_terminal);
    return check_report();
}
