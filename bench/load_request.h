/* load_request.h: the requests that the load client sends.
 *
 * A seeded customer's id and an outgoing body follow from a number alone, so that neither needs a list:
 * bench/seed.py computes the same ids. */
#ifndef FARTHING_BENCH_LOAD_REQUEST_H
#define FARTHING_BENCH_LOAD_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    CUSTOMER_ID_BYTES = 31, /* "cust_" and a ULID */
    EXTERNAL_ID_BYTES = 21, /* "acct_" and 16 hexadecimal digits */
    REQUEST_BYTES_MAX = 2048,
    TOKEN_BYTES_MAX = 32,
};

/* Where the requests go and who sends them. */
struct target {
    uint16_t port;
    const char *api_key;
};

/* A request and the text that its reply's body must hold: a reply to another request would be found out. */
struct request {
    size_t length;
    size_t token_length;
    char token[TOKEN_BYTES_MAX];
    char bytes[REQUEST_BYTES_MAX];
};

/* A bijection of 64-bit numbers that looks random (the finalizer of splitmix64). */
uint64_t mix64(uint64_t number);

/* Writes the id of seeded customer `row`, CUSTOMER_ID_BYTES without a terminator. */
void customer_id(char *out, uint64_t row);

/* GET /v1/customers/{id} of the seeded customer `row`. */
void request_get_customer(struct request *request, const struct target *target, uint64_t row);

/* PUT /v1/customers/{id} of the seeded customer `row`, with another name that ends with its digits and some
 * of `random`: who searches for its digits finds it still. */
void request_update_customer(struct request *request, const struct target *target, uint64_t row,
                             uint64_t random);

/* POST /v1/customers/search for the `limit` customers behind the `offset` newest. */
void request_list_customers(struct request *request, const struct target *target, unsigned limit,
                            uint64_t offset);

/* POST /v1/customers/search for those whose name contains the last `digits` digits of the name of the seeded
 * customer `row`. */
void request_search_customers(struct request *request, const struct target *target, uint64_t row,
                              unsigned digits);

/* POST /v1/customers with a body whose external id is unique for each `number`, and an Idempotency-Key that
 * is, when it is to be done `once`. */
void request_create_customer(struct request *request, const struct target *target, uint64_t number,
                             bool once);

#endif
