/* md5.h - RFC 1321, for the relabelling action hashmod and nothing else: it guards nothing. */
#ifndef CODEC_MD5_H
#define CODEC_MD5_H

#include "base/str.h"

#define MD5_SIZE 16

void md5(struct str bytes, unsigned char digest[MD5_SIZE]); /* pure; any thread */

#endif
