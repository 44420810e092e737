// structlog_spdlog.cc - the peer spdlog for structlog_bench: prints name and nanoseconds a line.
//
//     structlog_spdlog FILE LINES
//
// spdlog has no fields: the JSON text stands in the message by hand and nothing is escaped, which
// is what its users do, and flatters it.
#include <spdlog/async.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/null_sink.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <ctime>
#include <vector>

static const char pattern[] =
    "{\"@timestamp\":\"%Y-%m-%dT%H:%M:%S.%fZ\",\"log.level\":\"%l\",%v}";

static double clock_ns(clockid_t clock)
{
    timespec now;
    (void)clock_gettime(clock, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

template <typename Logger> static void log_lines(Logger &log, long count)
{
    for (long i = 0; i < count; i++) {
        log->info("\"message\":\"request handled\",\"method\":\"{}\",\"path\":\"{}\",\"status\":{},"
                  "\"duration\":{},\"user_id\":{}",
                  "GET", "/api/v1/items/42", 200 + (i & 3), 12.345 + static_cast<double>(i & 15),
                  1234567 + i);
    }
}

static double sync_file(const char *file, long count)
{
    auto sink = std::make_shared<spdlog::sinks::basic_file_sink_st>(file, true);
    spdlog::logger log("sync", sink);
    auto *pointer = &log;
    log.set_pattern(pattern, spdlog::pattern_time_type::utc);
    double start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    log_lines(pointer, count);
    log.flush();
    return (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / static_cast<double>(count);
}

static double disabled(long count)
{
    auto log = std::make_shared<spdlog::logger>("off",
                                                std::make_shared<spdlog::sinks::null_sink_st>());
    log->set_level(spdlog::level::warn);
    double start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    log_lines(log, count);
    return (clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start) / static_cast<double>(count);
}

static void async_file(const char *file, long count)
{
    const long batch = 64;
    std::vector<double> batches;
    double start = 0;
    {
        auto pool = std::make_shared<spdlog::details::thread_pool>(1 << 17, 1);
        auto sink = std::make_shared<spdlog::sinks::basic_file_sink_mt>(file, true);
        auto log = std::make_shared<spdlog::async_logger>("async", sink, pool,
                                                          spdlog::async_overflow_policy::block);
        log->set_pattern(pattern, spdlog::pattern_time_type::utc);
        start = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        for (long i = 0; i < count; i += batch) {
            double before = clock_ns(CLOCK_MONOTONIC);
            log_lines(log, batch);
            batches.push_back((clock_ns(CLOCK_MONOTONIC) - before) / batch);
        }
    } // the pool's thread has written all when it is gone
    double spent = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start;
    std::sort(batches.begin(), batches.end());
    printf("async_caller %.2f\n", batches[batches.size() / 2]);
    printf("async_all %.2f\n", spent / static_cast<double>(count));
}

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    long count = atol(argv[2]);
    printf("sync %.2f\n", sync_file(argv[1], count));
    printf("disabled %.2f\n", disabled(count));
    async_file(argv[1], count);
    (void)remove(argv[1]);
    return 0;
}
