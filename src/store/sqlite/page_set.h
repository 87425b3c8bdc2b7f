/* page_set.h: numbers of pages of a database, a bit each. Only for the driver. */
#ifndef FARTHING_STORE_SQLITE_PAGE_SET_H
#define FARTHING_STORE_SQLITE_PAGE_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins zeroed: empty. */
struct page_set {
    uint64_t *words;
    size_t word_count;
    size_t count; /* of pages */
};

/* Numbers begin with 1. */
void page_set_add(struct page_set *set, uint32_t number);
/* As many as `count`, from 1. */
void page_set_add_first(struct page_set *set, uint32_t count);
bool page_set_has(const struct page_set *set, uint32_t number);
/* The lowest number that is `from` or higher; 0: there is none. */
uint32_t page_set_next(const struct page_set *set, uint32_t from);
/* Empties it, and frees what it has. */
void page_set_free(struct page_set *set);

#endif
