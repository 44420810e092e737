/* site_test.c - a program's log calls can be listed before they run, and switched one by one. */
#include "tests/structlog/helper.h"
#include "tests/test.h"

#include <pthread.h>
#include <stdio.h>

static void speak(struct sl_logger *log)
{
    sl_debug(log, "whisper", "n", 1);
    sl_info(log, "say");
}

static void shout(struct sl_logger *log)
{
    sl_error(log, "shout");
}

struct found {
    int whisper, say, all;
    enum sl_site_mode mode;
    unsigned whisper_line;
};

static void look(void *context, const struct sl_site_info *site)
{
    struct found *found = context;
    found->all++;
    found->say += strcmp(site->event, "say") == 0;
    if (strcmp(site->event, "whisper") != 0) return;
    found->whisper++;
    found->whisper_line = site->line;
    found->mode = site->mode;
    EXPECT(strcmp(site->file, "site_test.c") == 0);
    EXPECT(strcmp(site->function, "speak") == 0);
}

static void lists_what_has_not_run(void)
{
    struct found found = { 0 };
    EXPECT_INT(found.all, 0);
    size_t count = sl_site_list(look, &found);
    EXPECT_INT(found.all, (int64_t)count);
    EXPECT_INT(1, found.whisper);
    EXPECT_INT(1, found.say);
    EXPECT_INT(SL_SITE_BY_LEVEL, found.mode);
}

static void switches_by_place(void)
{
    struct recorder r = recorder_open((struct sl_config){ .level = SL_INFO }, SL_FORMAT_DEFAULT);
    struct found found = { 0 };
    speak(r.log);
    EXPECT_INT(1, (int64_t)sl_capture_count(r.capture));
    (void)sl_site_list(look, &found);
    EXPECT_INT(1, found.whisper); /* once, though it ran and is in the section */
    char place[64];
    (void)snprintf(place, sizeof(place), "site_test.c:%u", found.whisper_line);
    EXPECT_INT(1, (int64_t)sl_site_switch(place, SL_SITE_ON));
    speak(r.log);
    EXPECT_INT(3, (int64_t)sl_capture_count(r.capture));
    EXPECT(sl_capture_has(r.capture, "\"whisper\""));
    EXPECT_INT(2, (int64_t)sl_site_switch("site_test.c:speak", SL_SITE_OFF));
    speak(r.log);
    shout(r.log);
    EXPECT_INT(4, (int64_t)sl_capture_count(r.capture));
    EXPECT_INT(0, (int64_t)sl_site_switch("other.c", SL_SITE_ON));
    EXPECT_INT(3, (int64_t)sl_site_switch("site_*.c", SL_SITE_BY_LEVEL));
    speak(r.log);
    EXPECT_INT(5, (int64_t)sl_capture_count(r.capture));
    recorder_close(&r);
}

int main(void)
{
    static const struct test tests[] = { TEST(lists_what_has_not_run), TEST(switches_by_place) };
    return test_main(tests, ARRAY_LENGTH(tests));
}
