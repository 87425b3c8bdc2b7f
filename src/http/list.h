/* list.h: a doubly linked list through a link inside each member; adding and removing are O(1). */
#ifndef FARTHING_HTTP_LIST_H
#define FARTHING_HTTP_LIST_H

#include <stdbool.h>
#include <stddef.h>

/* A member's place in a list, and also the list itself, which is a ring through this link. */
struct http_link {
    struct http_link *previous, *next;
};

#define HTTP_MEMBER(link, type, field) ((type *)(void *)((char *)(link)-offsetof(type, field)))

static inline void http_list_init(struct http_link *list)
{
    list->previous = list->next = list;
}

static inline bool http_list_is_empty(const struct http_link *list)
{
    return list->next == list;
}

static inline void http_list_append(struct http_link *list, struct http_link *link)
{
    link->previous = list->previous;
    link->next = list;
    list->previous->next = link;
    list->previous = link;
}

static inline void http_list_remove(struct http_link *link)
{
    link->previous->next = link->next;
    link->next->previous = link->previous;
}

/* Moves all members to `to`, which becomes their list. */
static inline void http_list_take_all(struct http_link *to, struct http_link *from)
{
    http_list_init(to);
    if (http_list_is_empty(from))
        return;
    *to = *from;
    to->previous->next = to;
    to->next->previous = to;
    http_list_init(from);
}

#endif
