/* Scalars of YAML as PyYAML's dump writes them. */
#ifndef MILLRACE_LOGGERS_YAML_H
#define MILLRACE_LOGGERS_YAML_H

#include "base/strbuf.h"

void mr__yaml_real(mr__strbuf *out, double value);

/* A text of UTF-8: plain, in single quotes, or in double quotes, as it needs. `column`: how far its line is; the plain and the
 * single-quoted are folded behind column 80; -1: they are not, as keys are not. */
void mr__yaml_text(mr__strbuf *out, const char *text, int column);

#endif
