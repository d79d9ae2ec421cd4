/*
 * Millrace: feeding and training neural networks in C. This header includes all the others; read them in
 * this order.
 */
#ifndef MILLRACE_MILLRACE_H
#define MILLRACE_MILLRACE_H

#include <millrace/base.h>
#include <millrace/random.h>
#include <millrace/storage.h>
#include <millrace/tensor.h>
#include <millrace/ops.h>
#include <millrace/functions.h>
#include <millrace/losses.h>
#include <millrace/nn.h>
#include <millrace/init.h>
#include <millrace/layers.h>
#include <millrace/metrics.h>
#include <millrace/optim.h>
#include <millrace/schedules.h>
#include <millrace/data.h>
#include <millrace/ragged.h>
#include <millrace/samplers.h>
#include <millrace/datasets.h>
#include <millrace/verify.h>
#include <millrace/formats.h>
#include <millrace/plot.h>
#include <millrace/loggers.h>
#include <millrace/train.h>
#include <millrace/callbacks.h>
#include <millrace/profiler.h>
#include <millrace/summary.h>
#include <millrace/finders.h>

#endif
