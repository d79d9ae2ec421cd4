/*
 * Millrace: feeding and training neural networks in C. This header includes all the others; read them in
 * this order.
 */
#ifndef MILLRACE_MILLRACE_H
#define MILLRACE_MILLRACE_H

#include <millrace/base.h>

#endif
