/* regex.cc - RE2 behind a C face. */
extern "C" {
#include "codec/regex.h"

#include "codec/utf8.h"
}

#include <cerrno>
#include <new>
#include <re2/re2.h>
#include <string>

struct regex {
    explicit regex(const re2::StringPiece &pattern, const RE2::Options &options)
        : program(pattern, options)
    {
    }
    RE2 program;
    std::string prefix;
};

static re2::StringPiece piece(struct str text)
{
    return re2::StringPiece(text.data == nullptr ? "" : text.data, text.size);
}

extern "C" int regex_new(struct regex **regex_out, struct str pattern, unsigned flags,
                         struct error *error)
{
    RE2::Options options;
    options.set_log_errors(false);
    options.set_max_mem(REGEX_MEMORY_MIN);
    options.set_dot_nl((flags & REGEX_DOT_NEWLINE) != 0);
    options.set_case_sensitive((flags & REGEX_NOCASE) == 0);
    struct regex *made = new (std::nothrow) struct regex(piece(pattern), options);
    if (made != nullptr && made->program.error_code() == RE2::ErrorPatternTooLarge) {
        delete made;
        options.set_max_mem(REGEX_MEMORY_MAX);
        made = new (std::nothrow) struct regex(piece(pattern), options);
    }
    if (made == nullptr) return error_set(error, -ENOMEM, "no memory for a pattern");
    if (!made->program.ok()) {
        int code = error_set(error, ERROR_PARSE, "bad pattern '%.*s': %s",
                             static_cast<int>(pattern.size > 120 ? 120 : pattern.size),
                             pattern.data, made->program.error().c_str());
        if (error != nullptr) {
            /* RE2 names the piece that is wrong; an unclosed bracket's piece is all behind it. */
            size_t at = str_find(pattern, str_from(made->program.error_arg().c_str()));
            error->offset = at == STR_NONE ? 0 : at;
        }
        delete made;
        return code;
    }
    std::string low;
    std::string high;
    if ((flags & REGEX_NOCASE) == 0 && made->program.PossibleMatchRange(&low, &high, 256)) {
        size_t same = 0;
        while (same < low.size() && same < high.size() && low[same] == high[same]) same++;
        made->prefix = low.substr(0, same);
    }
    *regex_out = made;
    return 0;
}

extern "C" void regex_free(struct regex *regex)
{
    delete regex;
}

extern "C" size_t regex_size(const struct regex *regex)
{
    return static_cast<size_t>(regex->program.ProgramSize());
}

extern "C" void regex_cleanup(struct regex **regex)
{
    delete *regex;
    *regex = nullptr;
}

extern "C" bool regex_matches(const struct regex *regex, struct str text)
{
    return regex->program.Match(piece(text), 0, text.size, RE2::ANCHOR_BOTH, nullptr, 0);
}

extern "C" bool regex_contains(const struct regex *regex, struct str text)
{
    return regex->program.Match(piece(text), 0, text.size, RE2::UNANCHORED, nullptr, 0);
}

extern "C" size_t regex_group_count(const struct regex *regex)
{
    return static_cast<size_t>(regex->program.NumberOfCapturingGroups());
}

static bool match(const struct regex *regex, struct str text, size_t offset, RE2::Anchor anchor,
                  struct str *groups, size_t count)
{
    if (count > REGEX_GROUPS_MAX) count = REGEX_GROUPS_MAX;
    re2::StringPiece found[REGEX_GROUPS_MAX];
    if (offset > text.size) return false;
    if (!regex->program.Match(piece(text), offset, text.size, anchor, found,
                              static_cast<int>(count))) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        groups[i].data = found[i].data();
        groups[i].size = found[i].data() == nullptr ? 0 : found[i].size();
    }
    return true;
}

extern "C" bool regex_groups(const struct regex *regex, struct str text, struct str *groups,
                             size_t count)
{
    return match(regex, text, 0, RE2::ANCHOR_BOTH, groups, count);
}

extern "C" bool regex_find(const struct regex *regex, struct str text, size_t offset,
                           struct str *groups, size_t count)
{
    return match(regex, text, offset, RE2::UNANCHORED, groups, count);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* The group a name or number stands for; -1 when there is none. */
static int group_of(const struct regex *regex, const std::string &name)
{
    bool is_number = !name.empty() && (name[0] != '0' || name.size() == 1);
    int number = 0;
    for (char c : name) {
        if (c < '0' || c > '9' || number > 1000) {
            is_number = false;
            break;
        }
        number = number * 10 + (c - '0');
    }
    if (is_number) return number;
    const auto &names = regex->program.NamedCapturingGroups();
    auto found = names.find(name);
    return found == names.end() ? -1 : found->second;
}

extern "C" void regex_expand(const struct regex *regex, struct str pattern,
                             const struct str *groups, size_t count, struct buf *out)
{
    size_t i = 0;
    while (i < pattern.size) {
        char c = pattern.data[i];
        if (c != '$' || i + 1 >= pattern.size) {
            buf_append_char(out, c);
            i++;
            continue;
        }
        if (pattern.data[i + 1] == '$') {
            buf_append_char(out, '$');
            i += 2;
            continue;
        }
        bool has_brace = pattern.data[i + 1] == '{';
        size_t start = i + 1 + (has_brace ? 1 : 0);
        size_t end = start;
        while (end < pattern.size && is_word(pattern.data[end])) end++;
        bool is_good = end > start;
        if (has_brace && (end >= pattern.size || pattern.data[end] != '}')) is_good = false;
        if (!is_good) {
            buf_append_char(out, '$');
            i++;
            continue;
        }
        int group = group_of(regex, std::string(pattern.data + start, end - start));
        if (group >= 0 && static_cast<size_t>(group) < count) {
            buf_append_str(out, groups[static_cast<size_t>(group)]);
        }
        i = end + (has_brace ? 1 : 0);
    }
}

static bool is_special(char c)
{
    return strchr("\\.+*?()|[]{}^$", c) != nullptr && c != '\0';
}

/* Without a bracket around all of it: "(a|b)" and "(?:a|b)" match the same texts as "a|b". */
static struct str unwrapped(struct str pattern)
{
    if (!str_starts_with(pattern, STR("(")) || !str_ends_with(pattern, STR(")"))) return pattern;
    struct str inner = str_first(str_skip(pattern, 1), pattern.size - 2);
    if (str_starts_with(inner, STR("?:"))) inner = str_skip(inner, 2);
    return inner;
}

/* How many literals stand in alternation; 0 when anything else does. */
static size_t count_literals(struct str pattern)
{
    size_t parts = 1;
    for (size_t i = 0; i < pattern.size; i++) {
        char c = pattern.data[i];
        if (c == '|') {
            parts++;
        } else if (c == '\\') {
            i++;
            if (i == pattern.size || !is_special(pattern.data[i])) return 0;
        } else if (is_special(c)) {
            return 0;
        }
    }
    return parts;
}

extern "C" bool regex_literals(struct arena *arena, struct str pattern, struct str **items,
                               size_t *count)
{
    pattern = unwrapped(pattern);
    size_t parts = count_literals(pattern);
    /* RE2 matches characters, so a literal that is no UTF-8 is left to it. */
    if (parts == 0 || !utf8_is_valid(pattern)) return false;
    struct str *list = ARENA_ARRAY(arena, struct str, parts);
    char *bytes = static_cast<char *>(arena_alloc(arena, pattern.size + 1, 1));
    if (list == nullptr || bytes == nullptr) return false;
    size_t at = 0;
    list[0].data = bytes;
    for (size_t i = 0; i < pattern.size; i++) {
        if (pattern.data[i] == '|') {
            at++;
            list[at].data = bytes;
            continue;
        }
        if (pattern.data[i] == '\\') i++;
        *bytes++ = pattern.data[i];
        list[at].size++;
    }
    *items = list;
    *count = parts;
    return true;
}

extern "C" struct str regex_prefix(const struct regex *regex)
{
    struct str prefix = { regex->prefix.data(), regex->prefix.size() };
    return prefix;
}

extern "C" void regex_quote(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (is_special(text.data[i])) buf_append_char(out, '\\');
        buf_append_char(out, text.data[i]);
    }
}
