/* scan.h: finds the bytes of a JSON string that are more than themselves. Private to this room: the reader
 * stops at the same bytes that the writer must escape (RFC 8259 section 7). */
#ifndef FARTHING_JSON_SCAN_H
#define FARTHING_JSON_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { JSON_SCAN_WORD_BYTES = 8, JSON_SCAN_BLOCK_BYTES = 16 };

/* True for `"`, `\` and the control characters below U+0020. */
static inline bool json_is_special(unsigned char byte)
{
    return byte < 0x20 || byte == '"' || byte == '\\';
}

/* True when none of the eight bytes is special. (x - 01..01) & ~x has the high bit of a byte set when the
 * byte is zero; a borrow may set it wrongly in a higher byte, but only above one that is zero indeed. The
 * same holds for (x - n..n) and bytes below n. Notes in *has_non_ascii what json_plain_length does. */
static inline bool json_word_is_plain(const char *bytes, bool *has_non_ascii)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    const uint64_t high_bits = ones * 0x80;
    uint64_t word;

    memcpy(&word, bytes, sizeof word);
    uint64_t quote = word ^ ones * '"';
    uint64_t backslash = word ^ ones * '\\';
    uint64_t specials =
        ((word - ones * 0x20) & ~word) | ((quote - ones) & ~quote) | ((backslash - ones) & ~backslash);

    if (specials & high_bits)
        return false;
    *has_non_ascii |= (word & high_bits) != 0;
    return true;
}

#ifdef __SSE2__
/* json_plain_length of one block. */
static inline size_t json_block_plain_length(const char *bytes, bool *has_non_ascii)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)bytes);
    __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1F)), block);
    __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    __m128i backslash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    unsigned specials = (unsigned)_mm_movemask_epi8(_mm_or_si128(control, _mm_or_si128(quote, backslash)));
    unsigned non_ascii = (unsigned)_mm_movemask_epi8(block);

    specials |= 1u << JSON_SCAN_BLOCK_BYTES; /* ends the scan when nothing else does */
    *has_non_ascii |= (non_ascii & ((specials & -specials) - 1)) != 0;
    return (size_t)__builtin_ctz(specials);
}
#endif

/* The number of bytes in front of the first special one (`length` when there is none). *has_non_ascii becomes
 * true when any of them is outside ASCII and is left alone otherwise.
 *
 * What remains behind the last whole block (or word) is looked at as a block that overlaps the one before:
 * the bytes seen twice are known to be plain. */
static inline size_t json_plain_length(const char *bytes, size_t length, bool *has_non_ascii)
{
    size_t at = 0;

#ifdef __SSE2__
    for (; length - at >= JSON_SCAN_BLOCK_BYTES; at += JSON_SCAN_BLOCK_BYTES) {
        size_t plain = json_block_plain_length(bytes + at, has_non_ascii);

        if (plain < JSON_SCAN_BLOCK_BYTES)
            return at + plain;
    }
    if (at > 0) {
        size_t last = length - JSON_SCAN_BLOCK_BYTES;

        return last + json_block_plain_length(bytes + last, has_non_ascii);
    }
#endif
    while (length - at >= JSON_SCAN_WORD_BYTES && json_word_is_plain(bytes + at, has_non_ascii))
        at += JSON_SCAN_WORD_BYTES;
    if (at > 0 && length - at < JSON_SCAN_WORD_BYTES &&
        json_word_is_plain(bytes + length - JSON_SCAN_WORD_BYTES, has_non_ascii))
        return length;
    for (; at < length && !json_is_special((unsigned char)bytes[at]); at++)
        *has_non_ascii |= (unsigned char)bytes[at] >= 0x80;
    return at;
}

#endif
