/* A user of one installed component: what it makes of nothing is a failure in words, in which all of the component
 * takes part that is linked. */
#include <millrace/millrace.h>

#if defined USE_files
#include <millrace/sources/csv.h>
#define MAKE mr_csv_new("/nowhere", NULL, 0, NULL)
#elif defined USE_images
#include <millrace/sources/image_folder.h>
#define MAKE mr_image_folder_new("/nowhere", NULL, 0, NULL)
#elif defined USE_sqlite
#include <millrace/sources/sqlite.h>
#define MAKE mr_sqlite_new("/nowhere", "t", NULL, 0)
#elif defined USE_postgres
#include <millrace/sources/postgres.h>
#define MAKE mr_postgres_new("host=/nowhere", "t", "id", NULL, 0)
#elif defined USE_tar
#include <millrace/sources/tar.h>
#define MAKE mr_tar_stream_new("/nowhere", &(mr_tar_field){ .name = "x" }, 1, NULL)
#elif defined USE_arrow
#include <millrace/sources/arrow.h>
#define MAKE mr_arrow_stream_new(NULL, NULL, 0)
#elif defined USE_http
#include <millrace/sources/http.h>
#define MAKE mr_file_open(mr_storage_from_http(NULL), "ftp://nowhere")
#else
#error "which component?"
#endif

#include <stdio.h>

int main(void)
{
    const void *made = MAKE;
    printf("%s\n", mr_error());
    return made || !*mr_error();
}
