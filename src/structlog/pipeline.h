/* pipeline.h - entering and leaving what sl_configure may replace at any moment. */
#ifndef STRUCTLOG_PIPELINE_H
#define STRUCTLOG_PIPELINE_H

#include "structlog/internal.h"

/* The core's pipeline, which stays until *hazard, a slot of this thread's record, is cleared; NULL
 * when none could be made. */
SL_HIDDEN struct sl_pipeline *sl_pipeline_enter(struct sl_core *core, struct sl_pipeline **hazard);
SL_HIDDEN void sl_pipeline_leave(struct sl_pipeline **hazard);

#endif
