/* Pictures as PNG files. */
#include "decoder.h"

#include "sources/new_file.h"
#include "sources/settle.h"

#include <setjmp.h>

#include <png.h>

typedef struct writing {
    mr__new_file file;
    jmp_buf back; /* behind it a local variable may have lost its value; these have not: */
    png_structp png;
    png_infop info;
} writing;

static _Noreturn void on_error(png_structp png, png_const_charp what)
{
    writing *w = png_get_error_ptr(png);
    mr_fail(MR_ERR_MEMORY, "image_save: %s", what); /* but for a failure to write, which is pending already */
    longjmp(w->back, 1);
}

static void on_warning(png_structp png, png_const_charp what)
{
    (void)png;
    (void)what;
}

static void write_bytes(png_structp png, png_bytep bytes, size_t count)
{
    writing *w = png_get_io_ptr(png);
    if (mr__new_file_write(&w->file, bytes, count) < 0)
        png_error(png, "");
}

static void flush(png_structp png)
{
    (void)png;
}

static mr_status write_image(writing *w, const mr_image *image)
{
    const png_structp png = w->png;
    const png_infop info = w->info;
    if (setjmp(w->back))
        return mr_error_status();
    png_set_write_fn(png, w, write_bytes, flush);
    png_set_IHDR(png, info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(png, info);
    for (int64_t y = 0; y < image->height; y++)
        png_write_row(png, image->pixels + y * image->width * image->channels);
    png_write_end(png, info);
    return MR_OK;
}

static mr_status write_png(writing *w, const mr_image *image)
{
    w->png = NULL;
    w->info = NULL;
    if (!setjmp(w->back)) {
        w->png = png_create_write_struct(PNG_LIBPNG_VER_STRING, w, on_error, on_warning);
        w->info = w->png ? png_create_info_struct(w->png) : NULL;
    }
    mr_status s = w->info ? write_image(w, image) : mr_fail(MR_ERR_MEMORY, "image_save: no memory");
    png_destroy_write_struct(&w->png, &w->info);
    return s;
}

static mr_status save(const mr_image *image, const char *path)
{
    writing w;
    if (!image || !path)
        return mr_fail(MR_ERR_ARGUMENT, "image_save: %s is NULL", image ? "path" : "image");
    if (image->height < 1 || image->width < 1 || image->height > PNG_USER_HEIGHT_MAX ||
        image->width > PNG_USER_WIDTH_MAX || (image->channels != 1 && image->channels != 3))
        return mr_fail(MR_ERR_ARGUMENT, "image_save: %lld x %lld pixels of %lld channels make no PNG",
                       (long long)image->height, (long long)image->width, (long long)image->channels);
    mr_status s = mr__new_file_open(&w.file, path);
    return mr__new_file_close(&w.file, s == MR_OK ? write_png(&w, image) : s);
}

mr_status mr_image_save(const mr_image *image, const char *path)
{
    return mr__settled(save(image, path));
}
