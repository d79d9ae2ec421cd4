#include "progress.h"

#include "base/float_text.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
    NUMBER_BYTES = 40,
    STATS_BYTES = 3072,  /* of what stands right of the bar */
    BLIND_WIDTH = 10,    /* of the bar when the terminal's is not known */
    MOST_COLUMNS = 1000, /* four bytes each, they still fit a line */
};

#define REDRAW_SECONDS 0.1
#define PLAIN_SECONDS 10.0

/* ---- text that is cut where its memory ends ---- */

struct text {
    char *start;
    size_t length, room;
};

static void append(struct text *to, const char *format, ...) MR_PRINTF(2, 3);

static void append(struct text *to, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(to->start + to->length, to->room - to->length, format, args);
    va_end(args);
    if (wanted > 0)
        to->length += (size_t)wanted < to->room - to->length ? (size_t)wanted : to->room - to->length - 1;
}

static bool begins_character(char c)
{
    return ((unsigned char)c & 0xc0) != 0x80;
}

static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += begins_character(*text);
    return width;
}

/* Keeps the first `width` characters. */
static void cut_to(char *text, int width)
{
    for (; *text; text++)
        if (begins_character(*text) && width-- == 0) {
            *text = '\0';
            return;
        }
}

/* ---- numbers ---- */

/* A printed number with a point, whatever the locale has for it. */
static void with_point(char *number)
{
    char *mark = number + strcspn(number, "0123456789"), *rest = NULL;
    mark += strspn(mark, "0123456789");
    if (!*mark || *mark == 'e' || *mark == '.')
        return;
    rest = mark + strcspn(mark, "0123456789");
    *mark = '.';
    memmove(mark + 1, rest, strlen(rest) + 1);
}

/* Takes the zero out of "e-05". */
static void strip_zero(char *number)
{
    char *exponent = strchr(number, 'e');
    if (exponent && exponent[2] == '0')
        memmove(exponent + 2, exponent + 3, strlen(exponent + 3) + 1);
}

/* Three digits, or repr's if those are fewer (tqdm), then filled up with zeros to five characters (Lightning). */
static void append_value(struct text *to, double value)
{
    char number[NUMBER_BYTES], repr[MR__FLOAT_TEXT_BYTES];
    mr__format_double(repr, value);
    snprintf(number, sizeof number, "%.3g", value);
    with_point(number);
    strip_zero(number);
    if (!isfinite(value) || strlen(number) >= strlen(repr))
        memcpy(number, repr, strlen(repr) + 1);
    bool filled = isfinite(value) && !strchr(number, 'e') && strlen(number) < 5;
    append(to, "%s%s", number, filled && !strchr(number, '.') ? "." : "");
    for (size_t i = strlen(number) + !strchr(number, '.'); filled && i < 5; i++)
        append(to, "0");
}

/* [H:]MM:SS */
static void append_clock(struct text *to, double seconds)
{
    long long s = seconds < 1e15 ? (long long)seconds : 0;
    if (s >= 3600)
        append(to, "%lld:", s / 3600);
    append(to, "%02lld:%02lld", s / 60 % 60, s % 60);
}

/* Batches a second, 0 when that is not known. */
static double rate_of(const mr__progress_state *state)
{
    return state->elapsed > 0.0 ? (double)(state->done - state->initial) / state->elapsed : 0.0;
}

static void append_rate(struct text *to, double rate)
{
    char number[NUMBER_BYTES];
    if (rate > 0.0)
        snprintf(number, sizeof number, "%5.2f", rate);
    else
        snprintf(number, sizeof number, "?");
    with_point(number);
    append(to, "%sit/s", number);
}

/* ---- the line ---- */

static void append_postfix(struct text *to, const mr__progress_state *state)
{
    if (state->version >= 0)
        append(to, ", v_num=%lld", (long long)state->version);
    for (size_t i = 0; i < state->count; i++) {
        if (state->present && !state->present[i])
            continue;
        append(to, ", %s=", state->names[i]);
        append_value(to, state->values[i]);
    }
    append(to, "]");
}

/* Without a total, or with one that turned out too small, there is nothing to draw a bar of. */
static void render_without_bar(struct text *line, const mr__progress_state *state)
{
    append(line, "Epoch %lld: %lldit [", (long long)state->epoch, (long long)state->done);
    append_clock(line, state->elapsed);
    append(line, ", ");
    append_rate(line, rate_of(state));
    append_postfix(line, state);
}

/* `width` columns, filled to an eighth of one. */
static void append_bar(struct text *to, double fraction, int width)
{
    static const char *const eighth[] = { " ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█" };
    int eighths = (int)(fraction * width * 8);
    for (int i = 0; i < width; i++) {
        int here = eighths - 8 * i;
        append(to, "%s", eighth[here < 0 ? 0 : here > 8 ? 8 : here]);
    }
}

static void render_with_bar(struct text *line, const mr__progress_state *state, int columns)
{
    char stats_memory[STATS_BYTES];
    struct text stats = { stats_memory, 0, sizeof stats_memory };
    double fraction = (double)state->done / (double)state->total, rate = rate_of(state);
    append(line, "Epoch %lld: %3.0f%%|", (long long)state->epoch, fraction * 100);
    append(&stats, "| %lld/%lld [", (long long)state->done, (long long)state->total);
    append_clock(&stats, state->elapsed);
    append(&stats, "<");
    if (rate > 0.0)
        append_clock(&stats, (double)(state->total - state->done) / rate);
    else
        append(&stats, "?");
    append(&stats, ", ");
    append_rate(&stats, rate);
    append_postfix(&stats, state);
    int room = columns - width_of(line->start) - width_of(stats.start);
    append_bar(line, fraction, !columns ? BLIND_WIDTH : room > 1 ? room : 1);
    append(line, "%s", stats.start);
}

int mr__progress_render(char out[MR__PROGRESS_BYTES], const mr__progress_state *state, int columns)
{
    struct text line = { out, 0, MR__PROGRESS_BYTES };
    columns = columns < 0 ? 0 : columns > MOST_COLUMNS ? MOST_COLUMNS : columns;
    out[0] = '\0';
    if (state->total > 0 && state->done <= state->total)
        render_with_bar(&line, state, columns);
    else
        render_without_bar(&line, state);
    if (columns)
        cut_to(out, columns);
    return width_of(out);
}

/* ---- drawing ---- */

static int columns_of(FILE *file)
{
    struct winsize size;
    return ioctl(fileno(file), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

/* Draws over the last line, and blanks out what it had more. One write, so that no half of it is seen. */
static void draw_over(mr__progress *progress, const mr__progress_state *state)
{
    char line[MR__PROGRESS_BYTES];
    int columns = columns_of(progress->file), width = mr__progress_render(line, state, columns);
    int blanks = progress->last_width - width;
    if (columns && blanks > columns - width) /* the window became narrower */
        blanks = columns - width;
    fprintf(progress->file, "\r%s%*s", line, blanks > 0 ? blanks : 0, "");
    fflush(progress->file);
    progress->last_width = width;
}

static void draw_plain(const mr__progress *progress, const mr__progress_state *state)
{
    char line[MR__PROGRESS_BYTES];
    mr__progress_render(line, state, 0);
    fprintf(progress->file, "%s\n", line);
    fflush(progress->file);
}

void mr__progress_begin(mr__progress *progress, FILE *file, double now)
{
    *progress = (mr__progress){ .file = file, .terminal = isatty(fileno(file)) == 1, .last = now };
}

bool mr__progress_due(const mr__progress *progress, double now)
{
    if (progress->terminal)
        return !progress->drawn || now - progress->last >= REDRAW_SECONDS;
    return now - progress->last >= PLAIN_SECONDS;
}

void mr__progress_draw(mr__progress *progress, const mr__progress_state *state, double now)
{
    if (!mr__progress_due(progress, now))
        return;
    if (progress->terminal)
        draw_over(progress, state);
    else
        draw_plain(progress, state);
    progress->drawn = true;
    progress->last = now;
}

void mr__progress_end(mr__progress *progress, const mr__progress_state *state)
{
    if (!progress->terminal) {
        draw_plain(progress, state);
        return;
    }
    draw_over(progress, state);
    fputs("\n", progress->file);
    fflush(progress->file);
}
