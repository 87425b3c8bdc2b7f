/* customers.h: lists and searches of customers (10-customers section 8), for whoever asks: with a key, or as
 * the operator. Only for the api room. */
#ifndef FARTHING_API_CUSTOMERS_H
#define FARTHING_API_CUSTOMERS_H

#include "api/exchange.h"
#include "domain/customers.h"

struct customer_search {
    struct customer_filter filter;
    bool is_expanded;
};

struct customer_page {
    struct record_list customers, integrations; /* these by their customer's id */
    int64_t total;
};

/* Reads the body, or the query string of a route without one, and says whether the lane must expect it to
 * take long (exchange->is_slow). */
const struct failure *customers_read_search(struct exchange *exchange, struct customer_search *search);
/* Those of the scope of the transaction's call. */
void customers_find(struct transaction *transaction, const struct customer_search *search,
                    struct customer_page *page);
/* The whole reply: `items` and `pagination`. */
void customers_write_page(struct json_writer *writer, const struct customer_search *search,
                          const struct customer_page *page, const struct scope *scope);

#endif
