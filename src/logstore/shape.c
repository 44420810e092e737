/* shape.c - taking JSON documents apart into pieces and values. */
#include "logstore/shape.h"

#include "logstore/bytes.h"
#include "logstore/quoted.h"

#include <stdlib.h>
#include <string.h>

#define PATH_SIZE_MAX 1024

static size_t text_end(struct str document, size_t at)
{
    unsigned contents;
    return quoted_end(document, at, &contents);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What stands behind a token that is no text, and the other marks, which no token holds. */
#define MARK_END   1
#define MARK_OTHER 2

static const uint8_t marks[256] = {
    [','] = MARK_END,   ['}'] = MARK_END,   [']'] = MARK_END,  [' '] = MARK_END,
    ['\t'] = MARK_END,  ['\r'] = MARK_END,  ['\n'] = MARK_END, ['{'] = MARK_OTHER,
    ['['] = MARK_OTHER, [':'] = MARK_OTHER,
};

static bool is_mark(char c)
{
    return marks[(unsigned char)c] != 0;
}

static size_t token_end(struct str document, size_t at)
{
    while (at < document.size && marks[(unsigned char)document.data[at]] != MARK_END) at++;
    return at;
}

static bool is_key(struct str document, size_t after_quote)
{
    size_t at = after_quote;
    while (at < document.size && is_blank(document.data[at])) at++;
    return at < document.size && document.data[at] == ':';
}

uint32_t shape_hash(struct str text)
{
    return (uint32_t)str_hash(text, 1);
}

bool shape_split(struct str document, struct buf *text, struct str_vec *holes)
{
    buf_reset(text);
    holes->count = 0;
    for (size_t at = 0; at < document.size;) {
        char c = document.data[at];
        if (is_mark(c)) {
            buf_append_char(text, c);
            at++;
            continue;
        }
        bool is_text = c == '"';
        size_t start = is_text ? at + 1 : at;
        size_t end = is_text ? text_end(document, start) : token_end(document, start);
        size_t after = is_text && end < document.size ? end + 1 : end;
        if (is_text && is_key(document, after)) {
            buf_append(text, document.data + at, after - at);
        } else {
            struct str hole = { document.data + start, end - start };
            if (holes->count >= SHAPE_HOLES_MAX || !VEC_PUSH(holes, hole)) return false;
            buf_append(text, document.data + at, start - at);
            buf_append_char(text, SHAPE_HOLE);
            buf_append(text, document.data + end, after - end);
        }
        at = after;
        if (text->size > SHAPE_SIZE_MAX) return false;
    }
    return !text->has_failed;
}

bool shape_fits(const struct shape *shape, struct str document, struct str *holes,
                uint8_t *contents)
{
    size_t at = 0;
    for (uint32_t i = 0; i < shape->hole_count; i++) {
        struct str piece = shape->pieces[i];
        if (document.size - at <= piece.size ||
            !bytes_same(document.data + at, piece.data, piece.size)) {
            return false;
        }
        at += piece.size;
        size_t end;
        contents[i] = 0;
        if (shape_is_text(shape, i)) {
            unsigned seen;
            end = quoted_end(document, at, &seen);
            contents[i] = (uint8_t)seen;
        } else {
            end = token_end(document, at);
            if (end == at || is_mark(document.data[at]) || document.data[at] == '"') return false;
        }
        if (end >= document.size) return false;
        holes[i] = (struct str){ document.data + at, end - at };
        at = end;
    }
    struct str last = shape->pieces[shape->hole_count];
    return document.size - at == last.size && bytes_same(document.data + at, last.data, last.size);
}

/* A walk over a shape's text that knows the path at each hole. */
struct walk {
    char path[PATH_SIZE_MAX];
    size_t size;
    size_t sizes[SHAPE_DEPTH_MAX]; /* of the path outside each open bracket */
    size_t depth;
};

static bool set_key(struct walk *walk, struct str key)
{
    size_t outside = walk->depth > 0 ? walk->sizes[walk->depth - 1] : 0;
    walk->size = outside;
    if (outside > 0 && walk->size < PATH_SIZE_MAX) walk->path[walk->size++] = '.';
    size_t room = PATH_SIZE_MAX - walk->size;
    size_t size = key.size < room ? key.size : room;
    memcpy(walk->path + walk->size, key.data, size);
    walk->size += size;
    return size == key.size;
}

static void open_bracket(struct shape *shape, struct walk *walk, size_t at)
{
    struct str text = shape->text;
    if (walk->depth < SHAPE_DEPTH_MAX) walk->sizes[walk->depth] = walk->size;
    walk->depth++;
    if (walk->depth > shape->depth) shape->depth = walk->depth;
    if (text.data[at] == '[') return;
    size_t next = at + 1;
    while (next < text.size && is_blank(text.data[next])) next++;
    shape->has_empty_object |= next < text.size && text.data[next] == '}';
}

/* Follows one byte, or one key, of a shape's text; the offset behind it. */
static size_t walk_on(struct shape *shape, struct walk *walk, size_t at)
{
    struct str text = shape->text;
    char c = text.data[at];
    if (c == '{' || c == '[') {
        open_bracket(shape, walk, at);
        return at + 1;
    }
    if (c == '}' || c == ']') {
        if (walk->depth > 0) walk->depth--;
        walk->size = walk->depth < SHAPE_DEPTH_MAX ? walk->sizes[walk->depth] : 0;
        return at + 1;
    }
    if (c != '"' || (at + 1 < text.size && text.data[at + 1] == SHAPE_HOLE)) return at + 1;
    /* A text that is no hole is a key. */
    size_t end = text_end(text, at + 1);
    if (end == text.size) return end;
    struct str key = { text.data + at + 1, end - at - 1 };
    /* Paths with escapes, and those that cannot be told from others, are not to be trusted. */
    shape->has_odd_keys |= key.size == 0 || str_find_char(key, '\\') != STR_NONE;
    shape->has_odd_keys |= !set_key(walk, key);
    return end + 1;
}

/* Fills pieces, and the sizes of paths, whose bytes go one behind the other into `paths`. */
static bool fill(struct shape *shape, struct walk *walk, struct buf *paths)
{
    struct str text = shape->text;
    size_t piece = 0;
    uint32_t hole = 0;
    for (size_t at = 0; at < text.size;) {
        if (walk->depth >= SHAPE_DEPTH_MAX) return false;
        if (text.data[at] != SHAPE_HOLE) {
            at = walk_on(shape, walk, at);
            continue;
        }
        if (hole == shape->hole_count) return false;
        bool is_text = at > 0 && text.data[at - 1] == '"';
        shape->paths[hole].size = walk->size;
        buf_append(paths, walk->path, walk->size);
        shape->pieces[hole++] = (struct str){ text.data + piece, at - piece };
        piece = ++at;
        at += is_text; /* the quote behind it opens nothing */
    }
    shape->pieces[hole] = str_skip(text, piece);
    return hole == shape->hole_count && !paths->has_failed;
}

struct shape *shape_new(struct str text, size_t hole_count)
{
    struct shape *shape = calloc(1, sizeof(*shape));
    struct walk *walk = calloc(1, sizeof(*walk));
    struct buf paths;
    buf_init(&paths, SIZE_MAX);
    bool is_filled = false;
    if (shape != NULL && walk != NULL) {
        char *copy = str_copy(text);
        shape->text = (struct str){ copy, text.size };
        shape->hash = shape_hash(text);
        shape->hole_count = (uint32_t)hole_count;
        shape->pieces = calloc(hole_count + 1, sizeof(struct str));
        shape->paths = calloc(hole_count + 1, sizeof(struct str));
        is_filled = copy != NULL && shape->pieces != NULL && shape->paths != NULL &&
                    fill(shape, walk, &paths);
    }
    free(walk);
    if (!is_filled) {
        shape_free(shape);
        buf_release(&paths);
        return NULL;
    }
    size_t size;
    shape->path_bytes = buf_take(&paths, &size);
    const char *at = shape->path_bytes;
    for (uint32_t i = 0; i < shape->hole_count; i++) {
        shape->paths[i].data = at == NULL ? "" : at;
        if (at != NULL) at += shape->paths[i].size;
    }
    return shape;
}

void shape_free(struct shape *shape)
{
    if (shape == NULL) return;
    free((char *)(uintptr_t)shape->text.data);
    free(shape->pieces);
    free(shape->paths);
    free(shape->path_bytes);
    free(shape);
}
