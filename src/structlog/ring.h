/* ring.h - the ring file: what lies where, and who may write it.
 *
 * docs/formats/structlog-ring.md draws the same. Everything a reader needs is in the file: the
 * rings with their records, the call sites' texts, the configuration's fields, the batches that
 * were about to be written. Nothing in it is a pointer. Numbers are of the machine's byte order,
 * which the magic number tells.
 *
 *   header | site table | texts | sinks | batches | rings
 *
 * RING     head is the producer's: the end of the last whole record. A record is there when head
 *          has passed it, so one that a kill cut short never was. released is the consumer's: what
 *          lies before may be written over. Both grow for ever; modulo the size they are places.
 *          No record goes round the end: a PAD record fills the rest.
 * COMMIT   The back end renders records into the batches of the sinks (one batch a sink), writes
 *          for each ring how far it has read into tail[g % 2] of the next generation g, then sets
 *          `sealed` to g: from here on the batches count, not the records. It writes the batches
 *          out, noting before each write(2) in which file and behind which offset the bytes will
 *          stand. When all are out it sets `committed` to g. So at any moment one can tell for
 *          every record whether it is written, and where to look when that is not sure.
 */
#ifndef STRUCTLOG_RING_H
#define STRUCTLOG_RING_H

#include "structlog/internal.h"

#define SL_RING_MAGIC      UINT64_C(0x0a31676e69726c73) /* "slring1\n" */
#define SL_RING_VERSION    2u /* 1: no cells, records of any multiple of 8 bytes; read as well */
#define SL_RING_PAGE       4096u
#define SL_RING_SITE_MAX   16384u              /* call sites that have a number */
#define SL_RING_TEXT_SIZE  (UINT32_C(4) << 20) /* for their texts; a sparse file */
#define SL_RING_SIZE_MIN   (UINT32_C(64) << 10)
#define SL_RING_SIZE_MAX   (UINT32_C(64) << 20)
#define SL_RING_COUNT_MAX  1024u
#define SL_RECORD_SIZE_MAX (UINT32_C(256) << 10)
#define SL_RECORD_UNIT     64u                  /* sizes are multiples of a line of the cache */
#define SL_CELLS_SIZE_MAX  4096u                /* larger ones are no cells */
#define SL_BATCH_SIZE      (UINT32_C(64) << 10) /* a fuller batch goes out */
/* One line more fits behind a batch that is not yet full: a record's bytes, each as \u00xx. */
#define SL_BATCH_ROOM (SL_TEXT_GROWTH_MAX * SL_RECORD_SIZE_MAX + (UINT32_C(512) << 10))

enum sl_ticks {
    SL_TICKS_NS = 0,  /* ticks are nanoseconds since 1970 */
    SL_TICKS_COUNTER, /* the processor's counter; `points` turn it into time */
    SL_TICKS_COARSE   /* as NS; the tick of the system's timer */
};

/* At `ticks` it was wall_ns; from there on one tick lasts rate / 2^32 nanoseconds. */
struct sl_clock_point {
    uint64_t ticks;
    int64_t wall_ns;
    uint64_t rate;
};
#define SL_POINT_COUNT 4u

#define SL_RING_WITH_ORIGIN 1u
#define SL_RING_WITH_THREAD 2u
#define SL_RING_WITH_PID    4u

struct sl_ring_header {
    uint64_t magic;
    uint32_t version;
    uint32_t flags; /* SL_RING_WITH_ */
    int64_t pid;
    uint64_t size; /* of the file */
    uint64_t site_offset, text_offset, sink_offset, batch_offset, ring_offset;
    uint32_t site_count, text_size, sink_count, batch_size, ring_count, ring_size;
    uint32_t ticks;  /* enum sl_ticks */
    uint32_t fields; /* where in the texts the configuration's fields stand; 0: none */
    /* what changes */
    uint32_t text_used;
    uint32_t point; /* points[point % SL_POINT_COUNT] is the latest, the one before it whole */
    struct sl_clock_point points[SL_POINT_COUNT];
    uint64_t committed, sealed;
    uint64_t told_count[2]; /* dropped calls that lines up to that generation tell of */
};

/* In sl_ring_sink.done: a write(2) of what follows is under way, and part of it may stand behind
 * `offset` of the file. One word with the count, so that no kill comes between the two. */
#define SL_DONE_WRITING (UINT64_C(1) << 63)

struct sl_ring_sink {
    uint32_t kind; /* enum sl_sink_kind */
    uint32_t view; /* enum sl_view */
    int32_t level;
    uint32_t path_size; /* 0: no file */
    uint64_t used;      /* bytes in the batch, when it is sealed */
    uint64_t lines;
    uint64_t done;                  /* bytes of it that are out; with SL_DONE_WRITING */
    uint64_t device, inode, offset; /* of the file, for the write under way */
    char path[4000];
};
_Static_assert(sizeof(struct sl_ring_sink) == 4064, "on disk");

enum sl_ring_state { SL_RING_FREE = 0, SL_RING_USED, SL_RING_ENDED };

struct sl_ring {
    /* the producer's line */
    uint64_t head;
    uint64_t limit; /* up to where it may write without looking */
    uint64_t dropped_count;
    uint64_t zero[5];
    /* the consumer's */
    uint64_t released;
    uint64_t tail[2];
    uint64_t zero2[5];
    uint32_t state; /* enum sl_ring_state */
    uint32_t zero3;
    int64_t tid;
    char name[16]; /* of the thread */
};
_Static_assert(sizeof(struct sl_ring) == 160, "on disk");

/* ---- records ---- */

enum sl_record_kind {
    SL_RECORD_SITE = 1, /* values of a numbered site, then their texts */
    SL_RECORD_TEXT,     /* event and fields, all texts in the record */
    SL_RECORD_PAD,      /* nothing up to the end of the ring */
    SL_RECORD_CELLS     /* as SITE, in cells */
};

/* In this order behind the record's head, each padded to 8 bytes. */
#define SL_PART_SUPPRESSED 1u /* u64: calls held back before this one */
#define SL_PART_NAME       2u /* a text: the logger's name */
#define SL_PART_CONTEXT    4u /* fields: the thread's context */
#define SL_PART_BOUND      8u /* fields: the logger's */

struct sl_record {
    uint32_t size; /* of all, a multiple of SL_RECORD_UNIT */
    uint8_t kind;
    uint8_t level;
    uint8_t parts;
    uint8_t count; /* SITE: values */
    uint64_t ticks;
    uint32_t site;  /* its number; TEXT: 0 = none */
    uint32_t check; /* low half of its place; a record that says another is none */
};
_Static_assert(sizeof(struct sl_record) == 24, "on disk");

/* CELLS begins with a cell that has, from the lowest bit: lines of 64 bytes (8), low byte of the
 * number of its first line in the ring (8), site (16), kind, level, parts, count (8 each), and the
 * ticks. Then the parts, each padded to a cell, a name as a value of its own; then the values. The
 * front's bit of SL_CELLS_MARK tells it from the others, whatever the masks. */
#define SL_CELLS_MARK (UINT64_C(1) << 39)
_Static_assert(((SL_MASK_LOW_ ^ (uint64_t)SL_RECORD_CELLS << 32) & SL_CELLS_MARK) != 0, "marked");
_Static_assert(SL_RING_SITE_MAX <= UINT16_MAX, "a site's number has 16 bits");

/* SITE, after the parts: `count` of these, then the texts of those that have one, without gaps. */
struct sl_record_value {
    uint64_t payload; /* texts: nothing */
    uint32_t size;    /* of the text */
    uint32_t kind;    /* enum sl_kind, up to ERRNO */
};
_Static_assert(sizeof(struct sl_record_value) == sizeof(struct sl_value), "copied as they are");

/* Fields: this head, then `count` entries. */
struct sl_wire {
    uint32_t size; /* of all, a multiple of 8 */
    uint32_t count;
    uint64_t id; /* the same for the same fields within a process; 0: none */
};
struct sl_wire_entry {
    uint32_t size; /* of all, a multiple of 8 */
    uint32_t key_size;
    uint64_t payload;
    uint32_t text_size;
    uint16_t kind;
    uint16_t is_own;
    /* the key, the text */
};
_Static_assert(sizeof(struct sl_wire_entry) == 24, "on disk");

/* A site's texts: this head, then file, function, event and `count` keys, each with its size in
 * front (u32) and padded to 4 bytes. */
struct sl_wire_site {
    uint32_t size;
    uint32_t line;
    uint32_t count;
};

__extension__ typedef __int128 sl_wide;

/* ---- bytes ---- */

static inline size_t sl_pad8(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static inline uint64_t sl_pad_record(uint64_t size)
{
    return (size + SL_RECORD_UNIT - 1) & ~(uint64_t)(SL_RECORD_UNIT - 1);
}

static inline struct sl_ring *sl_ring_at(struct sl_ring_header *header, uint32_t index)
{
    char *at = (char *)header + header->ring_offset;
    return (struct sl_ring *)(void *)(at + (uint64_t)index * (SL_RING_PAGE + header->ring_size));
}

static inline char *sl_ring_data(struct sl_ring *ring)
{
    return (char *)ring + SL_RING_PAGE;
}

static inline struct sl_ring_sink *sl_ring_sink_at(struct sl_ring_header *header, uint32_t index)
{
    return (struct sl_ring_sink *)(void *)((char *)header + header->sink_offset) + index;
}

static inline char *sl_ring_batch(struct sl_ring_header *header, uint32_t index)
{
    return (char *)header + header->batch_offset + (uint64_t)index * header->batch_size;
}

static inline uint32_t *sl_ring_sites(struct sl_ring_header *header)
{
    return (uint32_t *)(void *)((char *)header + header->site_offset);
}

/* Nanoseconds since 1970. `points` of a foreign file may give any number. */
SL_HIDDEN int64_t sl_ticks_to_ns(const struct sl_ring_header *header, uint64_t ticks);

/* ---- fields on the wire, wire.c ---- */

/* Bytes of an item as an entry, and writing it; the result is the end. */
SL_HIDDEN size_t sl_wire_entry_size(const struct sl_item *item);
SL_HIDDEN char *sl_wire_put(char *to, const struct sl_item *item);
/* Puts the fields into the list; false when they are none, or reach beyond `size` bytes. */
SL_HIDDEN bool sl_wire_read(const void *bytes, size_t size, struct sl_list *list);

/* ---- reading, reader.c: the bytes may be anything, the reader stays inside them ---- */

#define SL_NAME_SIZE_MAX 1024 /* longer names of loggers are cut */
#define SL_CACHE_COUNT   64u

/* A record, of whatever kind. */
struct sl_found {
    const char *at;
    uint64_t ticks;
    uint32_t size;
    uint32_t site;
    uint8_t kind, level, parts, count;
};

enum sl_peek {
    SL_PEEK_FOUND,
    SL_PEEK_END,  /* nothing more up to the head */
    SL_PEEK_LATE, /* not all of it has arrived */
    SL_PEEK_BAD   /* what stands there is no record */
};

/* Takes records apart. The owner sets `find` and what in `call` a record does not tell: pipeline,
 * thread, identity, stamp, line. Texts of the call point into the record. */
struct sl_reader {
    struct sl_site *(*find)(void *context, uint32_t number); /* NULL: no such site */
    void *context;
    struct sl_call call;
    struct sl_logger log;
    struct sl_value values[SL_PAIRS_MAX + 1];
    struct sl_list list; /* of a TEXT record */
    /* of a CELLS record, without masks */
    _Alignas(16) uint64_t cells[SL_CELLS_SIZE_MAX / sizeof(uint64_t)];
    struct {
        uint64_t id;
        struct sl_fields *fields;
    } cache[SL_CACHE_COUNT]; /* fields seen lately */
    struct sl_fields *held;  /* the context of the call */
    char name[SL_NAME_SIZE_MAX];
    char name_json[SL_TEXT_GROWTH_MAX * SL_NAME_SIZE_MAX + 64];
};

/* Whether all parts lie inside the file's `size` bytes. */
SL_HIDDEN bool sl_ring_is_sound(const struct sl_ring_header *header, uint64_t size);
/* The record at *place, or the next when nothing but filling stands there, and *place is its then.
 * Not `is_settled`: it may not have arrived yet. */
SL_HIDDEN enum sl_peek sl_ring_peek(const struct sl_ring_header *header, struct sl_ring *ring,
                                    uint64_t *place, uint64_t head, bool is_settled,
                                    struct sl_found *found);
/* Fills reader->call; false when the record makes no sense. */
SL_HIDDEN bool sl_reader_take(struct sl_reader *reader, const struct sl_found *found);
SL_HIDDEN void sl_reader_clear(struct sl_reader *reader); /* frees what is cached */

#endif
