/* packed.h: files as one zstd frame with a checksum (RFC 8878): what a backup elsewhere is made of. */
#ifndef FARTHING_ARCHIVE_PACKED_H
#define FARTHING_ARCHIVE_PACKED_H

#include "base/arena.h"
#include "base/text.h"

#include <sys/types.h>

struct packer;
/* Packs into the open file, which it does not close. */
struct packer *packer_new(int fd);
/* False with errno when the file cannot be written. */
bool packer_add(struct packer *packer, const void *bytes, size_t length);
/* Ends the frame. The same; frees the packer in any case. */
bool packer_end(struct packer *packer);

struct unpacker;
/* Unpacks the open file, from where it stands. */
struct unpacker *unpacker_new(int fd);
/* Exactly `length` bytes. False: there are not that many, or they are damaged. */
bool unpacker_read(struct unpacker *unpacker, void *bytes, size_t length);
/* Up to `length` bytes; 0 at the end of the frame, -1 when it is damaged, incomplete or cannot be read. */
ssize_t unpacker_read_some(struct unpacker *unpacker, void *bytes, size_t length);
/* Whether this is the sound end of the file. */
bool unpacker_is_at_end(struct unpacker *unpacker);
/* Why reading has failed: a static text, or the system's words. */
const char *unpacker_reason(const struct unpacker *unpacker);
void unpacker_free(struct unpacker *unpacker);

#endif
