/* ask.c - asking a target, with what its job says of secrets, time and size. */
#include "scrape/running.h"

#include "base/file.h"

#define BODY_SIZE_MAX   (256u << 20) /* when the job sets no limit */
#define SECRET_SIZE_MAX (64u << 10)
#define REDIRECTS_MAX   10

static const struct str accept_value = STR_INIT(
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1");

/* The secret itself, or what its file holds now. */
static int read_secret(struct scrape *scrape, struct str plain, struct str file, struct str *secret,
                       struct error *error)
{
    *secret = plain;
    if (file.size == 0) return 0;
    char name[FILE_PATH_SIZE];
    char path[FILE_PATH_SIZE];
    if (!str_to_cstr(file, name, sizeof(name)))
        return error_set(error, ERROR_LIMIT, "path too long");
    bool is_absolute = name[0] == '/';
    int code = file_join(path, is_absolute ? "" : scrape->tools->folder,
                         name + (is_absolute ? 1 : 0), error);
    if (code != 0) return code;
    CLEANUP(buf_release) struct buf bytes;
    buf_init(&bytes, SECRET_SIZE_MAX);
    code = file_read(&disk_system, path, &bytes, error);
    if (code != 0) return code;
    *secret = arena_copy(&scrape->arena, str_trim(buf_str(&bytes)));
    return 0;
}

static int add_secrets(struct scrape *scrape, struct http_call *call, struct http_field *header,
                       struct error *error)
{
    const struct scrape_http *http = &scrape->job->http;
    int code = 0;
    if (http->has_basic) {
        code =
            read_secret(scrape, http->basic_user, http->basic_user_file, &call->basic_user, error);
        if (code != 0) return code;
        return read_secret(scrape, http->basic_password, http->basic_password_file,
                           &call->basic_password, error);
    }
    if (!http->has_authorization) return 0;
    struct str credentials;
    code = read_secret(scrape, http->credentials, http->credentials_file, &credentials, error);
    if (code != 0) return code;
    header->name = STR("Authorization");
    header->value = arena_printf(&scrape->arena, STR_FMT " " STR_FMT,
                                 STR_ARG(http->authorization_type), STR_ARG(credentials));
    call->header_count++;
    return 0;
}

static const char *cstr_or_null(struct str text)
{
    return text.size == 0 ? NULL : text.data;
}

int scrape_ask(struct scrape *scrape, struct http_answer *answer, struct error *error)
{
    const struct scrape_job *job = scrape->job;
    struct scrape_target *target = scrape->target;
    const struct scrape_http *http = &job->http;
    struct http_tls tls = { .authority_path = cstr_or_null(http->tls_ca_file),
                            .certificate_path = cstr_or_null(http->tls_cert_file),
                            .key_path = cstr_or_null(http->tls_key_file),
                            .is_unchecked = http->tls_insecure };
    struct http_field headers[3] = {
        { STR("Accept"), accept_value },
        { STR("X-Prometheus-Scrape-Timeout-Seconds"),
          arena_printf(&scrape->arena, "%g", (double)target->timeout_ms / 1000) },
    };
    struct http_call call = {
        .url = target->url,
        .headers = headers,
        .header_count = 2,
        .tls = http->has_tls ? &tls : NULL,
        .timeout_ms = target->timeout_ms,
        .body_size_max =
            job->limits.body_size > 0 ? (size_t)job->limits.body_size - 1 : BODY_SIZE_MAX,
        .redirect_max = http->follows_redirects ? REDIRECTS_MAX : 0,
        .refuses_gzip = !job->has_compression,
        .needs_no_facts = true,
    };
    int code = add_secrets(scrape, &call, &headers[2], error);
    if (code == 0) code = http_client_send(scrape->tools->client, &call, answer, error);
    scrape->body_size = answer->body.size;
    if (code == ERROR_LIMIT && answer->failure == HTTP_FAILURE_LIMIT) {
        scrape->is_body_over = true;
        pm_inc(scrape->tools->counters->over_body_limit);
    }
    if (code != 0) return code;
    if (answer->status != 200) {
        return error_set(error, ERROR_INVALID, "server returned HTTP status %u", answer->status);
    }
    return 0;
}
