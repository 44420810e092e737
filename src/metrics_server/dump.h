/* dump.h - inside metrics_server/: samples as text that loses nothing.
 *
 *     {__name__="up", job="driver"} 1 1700000000000
 *     {__name__="c_total"} 5 1700000000000 start=1699999000000
 *     {__name__="gone"} NaN(7ff0000000000002) 1700000000000
 *     {__name__="h"} {{schema:0 count:3 sum:4.5 z_bucket:1 z_bucket_w:0.001
 *                      buckets:[-2:1 5:1] hint:gauge whole:1}} 1700000000000      (in one line)
 *
 * Lines of floats are those of `promtool tsdb dump`, but for a NaN that is not the ordinary one,
 * whose bits are shown.
 */
#ifndef METRICS_SERVER_DUMP_H
#define METRICS_SERVER_DUMP_H

#include "base/buf.h"
#include "model/series_source.h"

/* One line a sample. */
void dump_series(struct buf *out, const struct series_columns *series);

#endif
