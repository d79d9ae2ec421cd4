#include "picture.h"

#include "gnuplot.h"

#include "base/error.h"
#include "base/file.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Quotes, backslashes and backticks are written as octal numbers; "noenhanced" keeps an underscore what it is. (Single
 * quotes would be simpler, but gnuplot misreads '''a'.) */
void mr__put_quoted(mr__strbuf *script, const char *text)
{
    mr__strbuf_append(script, "\"");
    for (; *text; text++) {
        if (strchr("\"\\`", *text))
            mr__strbuf_appendf(script, "\\%03o", (unsigned)*text);
        else
            mr__strbuf_append_bytes(script, (unsigned char)*text < ' ' ? " " : text, 1);
    }
    mr__strbuf_append(script, "\" noenhanced");
}

/* In PNG, sizes of letters are points and lengths of dashes half pixels; in SVG, both are pixels. */
static const char *terminal_for(const char *path)
{
    const char *dot = strrchr(path, '.');
    if (dot && strcasecmp(dot, ".png") == 0)
        return "pngcairo font 'DejaVu Sans,12'";
    if (dot && strcasecmp(dot, ".svg") == 0)
        return "svg font 'DejaVu Sans,16' dashlength 0.5";
    return NULL;
}

mr_status mr__check_picture_path(const char *name, const char *path)
{
    if (!terminal_for(path))
        return mr__raise(MR_ERR_ARGUMENT, "%s: '%.400s' ends neither in .png nor in .svg", name, path);
    return MR_OK;
}

void mr__begin_script(mr__strbuf *script, const char *path, int width, int height)
{
    mr__strbuf_appendf(script, "set terminal %s size %d,%d background rgb 'white'\n", terminal_for(path),
                       width, height);
    mr__strbuf_append(script, "set encoding utf8\n");
}

static mr_status draw(const mr__strbuf *script, int picture)
{
    struct stat drawn;
    mr_status status = mr__gnuplot(script->text, script->length, picture);
    if (!status && (fstat(picture, &drawn) != 0 || drawn.st_size == 0))
        status = mr__raise(MR_ERR_IO, "plot: gnuplot drew nothing");
    return status;
}

mr_status mr__draw(const mr__strbuf *script, const char *path)
{
    mr__file_replace file;
    if (script->failed)
        return MR_ERR_MEMORY;
    mr_status status = mr__file_replace_begin(&file, path);
    if (status)
        return status;
    status = draw(script, file.fd);
    if (status) {
        mr__file_replace_abandon(&file);
        return status;
    }
    return mr__file_replace_commit(&file);
}
