/* role_test.c
 *
 * Goal:   a role starts, answers, reloads, stops in order and says what is wrong with its flags.
 * Method: roles inside the test's process, on free ports; asked with the client; stopped by signal.
 */
#include "role/role.h"

#include "base/file.h"
#include "http/client.h"
#include "tests/test.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct flags {
    const char *text;
    bool is_dry;
};

static const struct option options[] = {
    { "text", "TEXT", OPTION_TEXT, offsetof(struct flags, text), "default", "A text." },
    { "dry-run", NULL, OPTION_FLAG, offsetof(struct flags, is_dry), NULL, "Change nothing." },
};

static int hello(void *context, struct http_request *request, struct http_response *response,
                 struct error *error)
{
    (void)context;
    (void)request;
    (void)error;
    buf_append_cstr(&response->body, "hello");
    return 0;
}

static const struct http_route routes[] = { { HTTP_GET, "/hello", hello, .flags = 0 } };
static const struct http_mount mount = { .routes = routes, .count = 1 };

static struct flags flags;
static struct role_setup setup = { .name = "test",
                                   .about = "Tests.",
                                   .options = options,
                                   .option_count = ARRAY_LENGTH(options),
                                   .values = &flags,
                                   .listen = "127.0.0.1:0",
                                   .data_option = "storage.path" };

/* The status of GET `path`; the body in answer. */
static unsigned ask(struct role *role, const char *path, struct http_answer *answer)
{
    CLEANUP(http_client_cleanup) struct http_client *client = NULL;
    if (http_client_new(&client, &(struct http_client_options){ 0 }, NULL) < 0) return 0;
    char url[256];
    (void)snprintf(url, sizeof(url), "%s%s", role_url(role), path);
    struct http_call call = { .url = str_from(url) };
    if (http_client_send(client, &call, answer, NULL) < 0) return 0;
    return answer->status;
}

static void starts_answers_and_stops(void)
{
    char log[] = "--log.level=error";
    char name[] = "test";
    char *argv[] = { name, log, NULL };
    CLEANUP(role_cleanup) struct role *role = NULL;
    CLEANUP(http_answer_release) struct http_answer answer = { 0 };
    struct error error = { 0 };
    EXPECT_INT(ROLE_EXIT_OK, role_start(&role, &setup, 2, argv));
    REQUIRE(role != NULL);
    EXPECT_STR("default", str_from(flags.text));

    EXPECT_INT(200, ask(role, "/-/healthy", &answer));
    EXPECT_INT(503, ask(role, "/-/ready", &answer));
    EXPECT_INT(503, ask(role, "/hello", &answer));
    REQUIRE(role_mount(role, &mount, &error) == 0);
    role_ready(role);
    EXPECT_INT(200, ask(role, "/-/ready", &answer));
    EXPECT_INT(200, ask(role, "/hello", &answer));
    EXPECT_INT(200, ask(role, "/metrics", &answer));
    static const char *const lines[] = {
        "http_requests_total{code=\"200\",handler=\"/hello\"} 1\n",
        "barograph_build_info{",
        "barograph_ready 1\n",
        "barograph_log_messages_total{level=\"info\"}",
        "process_resident_memory_bytes ",
        "http_request_duration_seconds_bucket{",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(lines); i++) {
        test_context(lines[i]);
        EXPECT(str_find(buf_str(&answer.body), str_from(lines[i])) != STR_NONE);
    }
    (void)kill(getpid(), SIGTERM);
    EXPECT_INT(0, role_wait(role));
    EXPECT(role_is_stopping(role));
    EXPECT_INT(0, ask(role, "/hello", &answer));
}

static int reload_count;

static int reload(void *context, struct error *error)
{
    reload_count++;
    role_stop(context, 7);
    return error_set(error, ERROR_INVALID, "bad config");
}

static void reloads_at_a_signal(void)
{
    char log[] = "--log.level=off";
    char name[] = "test";
    char *argv[] = { name, log, NULL };
    CLEANUP(role_cleanup) struct role *role = NULL;
    EXPECT_INT(ROLE_EXIT_OK, role_start(&role, &setup, 2, argv));
    REQUIRE(role != NULL);
    role_on_reload(role, reload, role);
    (void)kill(getpid(), SIGHUP);
    EXPECT_INT(7, role_wait(role));
    EXPECT_INT(1, reload_count);
}

static void bad_flags_end_the_start(void)
{
    static const char *const bad[] = { "--nonsense",        "--log.level=loud",
                                       "--resolve=a",       "--web.listen-address=x:y",
                                       "--memory.max=lots", "word" };
    for (size_t i = 0; i < ARRAY_LENGTH(bad); i++) {
        test_context(bad[i]);
        char name[] = "test";
        char *word = str_copy(str_from(bad[i]));
        char *argv[] = { name, word, NULL };
        struct role *role = NULL;
        EXPECT_INT(ROLE_EXIT_USAGE, role_start(&role, &setup, 2, argv));
        EXPECT(role == NULL);
        free(word);
    }
}

static void a_data_folder_has_one_role(void)
{
    char folder[] = "/tmp/role_test_XXXXXX";
    REQUIRE(mkdtemp(folder) != NULL);
    char option[64];
    (void)snprintf(option, sizeof(option), "--storage.path=%s", folder);
    char log[] = "--log.level=off";
    char name[] = "test";
    char *argv[] = { name, option, log, NULL };
    CLEANUP(role_cleanup) struct role *role = NULL;
    EXPECT_INT(ROLE_EXIT_OK, role_start(&role, &setup, 3, argv));
    REQUIRE(role != NULL);
    EXPECT_STR(folder, str_from(role_data(role)));
    struct error error = { 0 };
    int lock = -1;
    EXPECT(file_lock_folder(folder, &lock, &error) < 0);
    EXPECT_INT(-1, lock);
    EXPECT_INT(0, file_remove_tree(&disk_system, folder, NULL));
}

int main(void)
{
    static const struct test tests[] = {
        TEST(starts_answers_and_stops),
        TEST(reloads_at_a_signal),
        TEST(bad_flags_end_the_start),
        TEST(a_data_folder_has_one_role),
    };
    return test_main(tests, ARRAY_LENGTH(tests));
}
