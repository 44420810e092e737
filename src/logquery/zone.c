/* zone.c - time zones: fixed offsets, and regions by the machine's zone files.
 *
 * Of a TZif file the 64-bit block is read: transitions and the offset each brings. Behind the last
 * one the rule of the footer would count ("CET-1CEST,M3.5.0,M10.5.0/3"); Debian's "fat" files list
 * transitions up to 2037, so its last offset is used beyond.
 */
#include "logquery/zone.h"

#include "base/file.h"
#include "logstore/logstore.h"

#include <errno.h>
#include <string.h>

#define ZONE_FOLDER        "/usr/share/zoneinfo/"
#define ZONE_FILE_SIZE_MAX ((size_t)1 << 20)
#define HEADER_SIZE        44

struct zone {
    int32_t offset_s; /* before the first transition, or always */
    size_t count;
    int64_t *times_s;
    int32_t *offsets_s; /* from that time on */
};

static uint32_t big32(const char *bytes)
{
    const unsigned char *b = (const unsigned char *)bytes;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int64_t big64(const char *bytes)
{
    return (int64_t)((uint64_t)big32(bytes) << 32 | big32(bytes + 4));
}

struct counts {
    size_t is_utc, is_standard, leap, time, type, character;
};

static bool read_header(struct str bytes, struct counts *counts)
{
    if (bytes.size < HEADER_SIZE || !str_starts_with(bytes, STR("TZif"))) return false;
    *counts =
        (struct counts){ big32(bytes.data + 20), big32(bytes.data + 24), big32(bytes.data + 28),
                         big32(bytes.data + 32), big32(bytes.data + 36), big32(bytes.data + 40) };
    return counts->time < 100000 && counts->type < 256 && counts->leap < 10000 &&
           counts->character < 10000 && counts->is_utc < 256 && counts->is_standard < 256;
}

static size_t body_size(const struct counts *counts, size_t time_size)
{
    return counts->time * (time_size + 1) + counts->type * 6 + counts->character +
           counts->leap * (time_size + 4) + counts->is_standard + counts->is_utc;
}

static int read_zone(struct arena *arena, struct str bytes, struct zone *zone)
{
    struct counts counts;
    if (!read_header(bytes, &counts) || bytes.data[4] < '2') return ERROR_CORRUPT;
    size_t skip = HEADER_SIZE + body_size(&counts, 4);
    if (skip > bytes.size || !read_header(str_skip(bytes, skip), &counts)) return ERROR_CORRUPT;
    bytes = str_skip(bytes, skip + HEADER_SIZE);
    if (body_size(&counts, 8) > bytes.size || counts.type == 0) return ERROR_CORRUPT;
    const char *indices = bytes.data + counts.time * 8;
    const char *types = indices + counts.time;
    zone->times_s = ARENA_ARRAY(arena, int64_t, counts.time + 1);
    zone->offsets_s = ARENA_ARRAY(arena, int32_t, counts.time + 1);
    if (zone->times_s == NULL || zone->offsets_s == NULL) return -ENOMEM;
    zone->offset_s = (int32_t)big32(types);
    for (size_t i = 0; i < counts.time; i++) {
        unsigned char type = (unsigned char)indices[i];
        if (type >= counts.type) return ERROR_CORRUPT;
        zone->times_s[i] = big64(bytes.data + i * 8);
        zone->offsets_s[i] = (int32_t)big32(types + (size_t)type * 6);
    }
    zone->count = counts.time;
    return 0;
}

static bool is_safe_name(struct str name)
{
    if (name.size == 0 || name.size > 64 || str_find(name, STR("..")) != STR_NONE) return false;
    for (size_t i = 0; i < name.size; i++) {
        char c = name.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool is_other = (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '+';
        if (!is_letter && !is_other && (c != '/' || i == 0)) return false;
    }
    return true;
}

int zone_find(struct arena *arena, struct str name, struct zone **zone_out)
{
    struct zone *zone = ARENA_NEW(arena, struct zone);
    if (zone == NULL) return -ENOMEM;
    int code = 0;
    if (!date_offset_parse(name, &zone->offset_s)) {
        if (!is_safe_name(name)) return -ENOENT;
        char path[128];
        memcpy(path, ZONE_FOLDER, sizeof(ZONE_FOLDER) - 1);
        memcpy(path + sizeof(ZONE_FOLDER) - 1, name.data, name.size);
        path[sizeof(ZONE_FOLDER) - 1 + name.size] = 0;
        CLEANUP(buf_release) struct buf file = { 0 };
        buf_init(&file, ZONE_FILE_SIZE_MAX);
        code = file_read(&disk_system, path, &file, NULL);
        if (code == 0) code = read_zone(arena, buf_str(&file), zone);
    }
    if (code < 0) return -ENOENT;
    *zone_out = zone;
    return 0;
}

int32_t zone_offset_at(const struct zone *zone, int64_t time_ms)
{
    if (zone == NULL) return 0;
    int64_t time_s = time_ms / 1000 - (time_ms % 1000 < 0);
    size_t low = 0;
    size_t high = zone->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (zone->times_s[middle] <= time_s)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? zone->offset_s : zone->offsets_s[low - 1];
}

int64_t zone_from_local(const struct zone *zone, int64_t local_ms)
{
    if (zone == NULL) return local_ms;
    int64_t guess = local_ms - (int64_t)zone_offset_at(zone, local_ms) * 1000;
    int64_t again = local_ms - (int64_t)zone_offset_at(zone, guess) * 1000;
    return again;
}
