/*
 * Millrace, sources: tar files of samples, in WebDataset's convention, also packed as .gz or .zst. Link with millrace-tar.
 *
 * A sample is the members, one behind the other, whose names are alike up to the first point of the last part: "train/0001.jpg"
 * and "train/0001.cls" are sample "train/0001" with the extensions "jpg" and "cls"; of "0001.seg.png" it is "seg.png".
 * Folders, links, names that begin with a point and members that no field names are passed over.
 */
#ifndef MILLRACE_SOURCES_TAR_H
#define MILLRACE_SOURCES_TAR_H

#include <millrace/ragged.h>
#include <millrace/sources/rows.h>
#include <millrace/sources/writers.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What a field has of its member. */
typedef enum mr_member {
    MR_MEMBER_BYTES = 0, /* the bytes, as they are: the field is ragged (<millrace/ragged.h>), of uint8 */
    MR_MEMBER_RAW,       /* the bytes are the elements, row-major, in this machine's order of bytes */
    MR_MEMBER_TEXT,      /* they are numbers in text, with blanks or commas between them; or a word */
    MR_MEMBER_JSON /* they are a JSON object, of 16 MB at most, and the field has what is at a key of it */
} mr_member;

/* One field of the samples. */
typedef struct mr_tar_field {
    const char *name;
    /* Of its member; any of several, with commas: "jpg,jpeg,png". Upper case and lower case are alike. Default: the name.
     * "__key__" is no member, but the sample's name, as MR_MEMBER_BYTES. */
    const char *extension;
    mr_member content;
    mr_dtype dtype; /* but of bytes: default float32; with words int64 */
    /* But of bytes; default: a single value. A first dimension of -1: as many as there are (<millrace/ragged.h>), none
     * where they are filled in. */
    mr_shape shape;
    const char *key;    /* of JSON, as in mr_jsonl_field; default: the name */
    mr_missing missing; /* of a member, or a key, that is not there; bytes can be filled in with none */
    double fill;
    const char *const *words; /* of text and JSON: words count as their places in this list */
    int word_count;
} mr_tar_field;

typedef struct mr_tar_opts {
    mr_storage *storage; /* where the files are, which is held; default: the disk */
    int64_t max_member;  /* bytes of a member that a field has, its holes too, at most; default 1 GB */
    /* bytes of a packed file's samples that wait for other readers of it, at most; default 192 MB */
    int64_t max_held;
} mr_tar_opts;

/* Makes a stream of the samples of files. `files` names one, or several by braces: "train-{000..127}.tar",
 * "{a,b}.tar.gz"; on the disk also by *, ? and [ ], in the order of their bytes. Strings are copied.
 *
 * Several tar files that lie one behind the other in one are read as one.
 *
 * A loader that has fewer shards than there are files gives some to each; with more, plain files of a known size are
 * cut into parts at bytes (found by the heads of members behind them; a cut that turns out to be within a member, of a
 * tar file within a tar file, fails). A packed one is unpacked once for all its readers, whose samples are 32 in a row
 * and then those of the others: one unpacks at a time, while the others do what maps above the stream want. What is
 * unpacked for a reader who is late waits for him, up to `max_held`; beyond it he unpacks for himself, and gets the
 * same. By default there are as many shards as files, or if these are few up to eight, of packed ones four, of 4 MB at
 * least.
 *
 * It resumes where it stands: in a plain file by going there, in a packed one by unpacking it up to there. A sample that
 * cannot be had is named: "'a.tar': member 'train/0001.cls' at byte 1536, field 'label': 'x' is no number". What is behind
 * damage in a file is lost, and counts as one bad sample. */
MR_API mr_dataset *mr_tar_stream_new(const char *files, const mr_tar_field *fields, int field_count,
                                     const mr_tar_opts *opts);

/* ---- writing ----------------------------------------------------------------------------------------------- */

/* A field in the files. */
typedef struct mr_tar_out {
    const char *field;
    const char *extension; /* of its member; default: the field's name */
    /* Bytes are a field of uint8, ragged or not; what is raw may be ragged, too. Numbers in text have blanks between
     * them. JSON is an object, of all fields with the same extension, each at its key. Numbers are written so that
     * reading gives them back. */
    mr_member content;
    const char *key; /* of JSON; default: the field's name */
} mr_tar_out;

typedef struct mr_tar_write_opts {
    int64_t samples; /* of a file, at most; default 10,000 */
    int64_t bytes; /* of a file's members, at most, but for a sample that has more by itself; default 1 GB */
    const char *key; /* a field of bytes that names samples; default: their numbers, "000000017" */
    int level;       /* of packing; default: the packer's own */
    mr_write_opts write;
} mr_tar_write_opts;

/* Writes samples to tar files, <millrace/sources/writers.h> says how: `files` has the place of a number,
 * "train-######.tar", and may end in .gz or .zst. A file that is complete stays, whatever happens then. Where writing
 * stands is noted behind each, not every so many seconds (save_every): what goes on begins with the file that was not
 * complete. Files of an earlier, longer set stay where they are: if there is one of the number behind the last, a line
 * of the log names it, since a pattern such as "train-*.tar" reads it, too. */
MR_API MR_CHECKED mr_status mr_tar_write(mr_dataset *dataset, const char *files, const mr_tar_out *members,
                                         int count, const mr_tar_write_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
