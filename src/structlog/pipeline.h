/* pipeline.h - entering and leaving what sl_configure may replace at any moment. */
#ifndef STRUCTLOG_PIPELINE_H
#define STRUCTLOG_PIPELINE_H

#include "structlog/internal.h"

SL_HIDDEN struct sl_pipeline *sl_pipeline_fallback(void); /* NULL when none can be made */
/* Of all that live, without a lock: for the handler of a fatal signal. */
SL_HIDDEN void sl_pipeline_for_each(void (*visit)(struct sl_pipeline *pipeline));
SL_HIDDEN void sl_crash_catch(void); /* crash.c; under sl_lock */

/* The core's pipeline, which stays until *hazard, a slot of this thread's record, is cleared; NULL
 * when none could be made. */
static inline struct sl_pipeline *sl_pipeline_enter(struct sl_core *core,
                                                    struct sl_pipeline **hazard)
{
    for (;;) {
        struct sl_pipeline *pipeline = __atomic_load_n(&core->pipeline, __ATOMIC_ACQUIRE);
        if (SL_UNLIKELY(pipeline == NULL)) return sl_pipeline_fallback();
        if (SL_UNLIKELY(sl_needs_fence)) {
            __atomic_store_n(hazard, pipeline, __ATOMIC_SEQ_CST);
        } else {
            __atomic_store_n(hazard, pipeline, __ATOMIC_RELAXED);
            __atomic_signal_fence(__ATOMIC_SEQ_CST); /* membarrier makes more of it */
        }
        if (SL_LIKELY(__atomic_load_n(&core->pipeline, __ATOMIC_SEQ_CST) == pipeline)) {
            return pipeline;
        }
    }
}

static inline void sl_pipeline_leave(struct sl_pipeline **hazard)
{
    /* Release: all that was done inside is done before the mark goes. */
    __atomic_store_n(hazard, NULL, __ATOMIC_RELEASE);
}

#endif
