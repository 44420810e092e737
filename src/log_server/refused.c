/* refused.c - what Elasticsearch has and we have not: each says so, and what to do instead. */
#include "log_server/server.h"

struct refusal {
    struct str piece; /* of the path */
    const char *reason;
};

static const struct refusal refusals[] = {
    { STR_INIT("_termvectors"), "term vectors are not kept; _analyze cuts a text into its terms" },
    { STR_INIT("_mtermvectors"), "term vectors are not kept; _analyze cuts a text into its terms" },
    { STR_INIT("_update_by_query"), "documents cannot be rewritten by a query; update them by "
                                    "their ids in a _bulk" },
    { STR_INIT("_reindex"), "documents cannot be copied inside the server; scroll through them and "
                            "send them in a _bulk" },
    { STR_INIT("_sql"), "SQL is not supported; use _search" },
    { STR_INIT("_eql"), "EQL is not supported; use _search" },
    { STR_INIT("_explain"), "every hit has the score 1; \"profile\" says what a clause found" },
    { STR_INIT("_rank_eval"), "every hit has the score 1, so there is no ranking to evaluate" },
    { STR_INIT("_scripts"), "scripts are not supported" },
    { STR_INIT("_render"), "search templates are not supported" },
    { STR_INIT("_ml"), "machine learning is not supported" },
    { STR_INIT("_watcher"), "watches are not supported" },
    { STR_INIT("_transform"), "transforms are not supported" },
    { STR_INIT("_rollup"), "rollups are not supported" },
    { STR_INIT("_snapshot"), "snapshots are not supported: the data folder can be copied while the "
                             "role is stopped" },
    { STR_INIT("_ccr"), "replication between clusters is not supported" },
    { STR_INIT("_graph"), "graph exploration is not supported" },
    { STR_INIT("_percolate"), "percolation is not supported" },
    { STR_INIT("_shrink"), "an index has one shard and cannot be resized" },
    { STR_INIT("_split"), "an index has one shard and cannot be resized" },
    { STR_INIT("_clone"), "an index cannot be cloned" },
    { STR_INIT("_close"), "an index cannot be closed; delete it or leave it" },
    { STR_INIT("_rollover"), "indices are not rolled over; retention works on segments inside an "
                             "index" },
    { STR_INIT("_simulate"), "neither templates nor pipelines are simulated" },
    { STR_INIT("_simulate_index"), "make the index and look at it" },
    { STR_INIT("template"), "search templates are not supported" },
    { STR_INIT("_knn_search"), "vectors are not indexed" },
    { STR_INIT("_mvt"), "places are not indexed" },
    { STR_INIT("_block"), "an index cannot be blocked" },
    { STR_INIT("_freeze"), "an index cannot be frozen" },
    { STR_INIT("_slm"), "snapshots are not supported" },
    { STR_INIT("_enrich"), "ingest pipelines are not supported" },
    { STR_INIT("_monitoring"), "monitoring data is not taken; see /metrics" },
    { STR_INIT("_dangling"), "there are no dangling indices" },
    { STR_INIT("_reroute"), "a single node has nowhere to route to" },
};

bool answer_refusal(struct call *call)
{
    struct str rest = call->request->raw_path;
    while (rest.size > 0) {
        struct str piece = str_cut(&rest, '/');
        for (size_t i = 0; i < ARRAY_LENGTH(refusals); i++) {
            if (!str_equal(refusals[i].piece, piece)) continue;
            (void)answer_error(call, 400, "illegal_argument_exception",
                               arena_printf(call->arena, "[" STR_FMT "] is not supported: %s",
                                            STR_ARG(piece), refusals[i].reason));
            return true;
        }
    }
    return false;
}
