/* What names the number of a table's rows. */
#ifndef MILLRACE_SOURCES_SQLITE_ROWID_H
#define MILLRACE_SOURCES_SQLITE_ROWID_H

#include "rows.h"

/* *name: rowid, _rowid_ or oid, the first that is no other column of the table. A failure where rows have no numbers,
 * or nothing names them. Of a table that is not there nothing is said. */
mr_status mr__sqlite_rowid(const mr__sqlite *sqlite, const char **name);

#endif
