#include "load_request.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum {
    ULID_BYTES = 26,
    SEED_ROWS_PER_MS = 100, /* seeded customers look created at 100 a millisecond */
    IDEMPOTENCY_KEY_BYTES_MAX = 64,
    NUMBER_MIN = 10 * 1000 * 1000, /* eight digits, so that bodies differ in content and not in size */
};

#define SEED_TIME_MS INT64_C(1767225600000) /* 2026-01-01T00:00:00Z: the first seeded customer's time */

uint64_t mix64(uint64_t number)
{
    number += UINT64_C(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * UINT64_C(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

void customer_id(char *out, uint64_t row)
{
    static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    uint64_t time_ms = (uint64_t)SEED_TIME_MS + row / SEED_ROWS_PER_MS;
    unsigned __int128 value = ((unsigned __int128)time_ms << 80) | mix64(row);
    memcpy(out, "cust_", 5);
    for (int i = ULID_BYTES - 1; i >= 0; i--, value >>= 5)
        out[5 + i] = digits[(unsigned)value & 31];
}

static void token_set(struct request *request, const char *text, size_t length)
{
    assert(length <= sizeof request->token);
    memcpy(request->token, text, length);
    request->token_length = length;
}

void request_get_customer(struct request *request, const struct target *target, uint64_t row)
{
    char id[CUSTOMER_ID_BYTES];
    customer_id(id, row);
    token_set(request, id, sizeof id);
    int length = snprintf(request->bytes, sizeof request->bytes,
                          "GET /v1/customers/%.*s HTTP/1.1\r\n"
                          "Host: 127.0.0.1:%u\r\n"
                          "x-api-key: %s\r\n"
                          "Accept: application/json\r\n"
                          "User-Agent: farthing-bench\r\n\r\n",
                          CUSTOMER_ID_BYTES, id, target->port, target->api_key);
    assert(length > 0 && (size_t)length < sizeof request->bytes);
    request->length = (size_t)length;
}

/* A request with a JSON body; `route` is its first line up to the version. */
static void request_json(struct request *request, const struct target *target, const char *route,
                         const char *headers, const char *body)
{
    int length = snprintf(request->bytes, sizeof request->bytes,
                          "%s HTTP/1.1\r\n"
                          "Host: 127.0.0.1:%u\r\n"
                          "x-api-key: %s\r\n"
                          "Content-Type: application/json\r\n"
                          "Accept: application/json\r\n"
                          "User-Agent: farthing-bench\r\n"
                          "%s"
                          "Content-Length: %zu\r\n\r\n%s",
                          route, target->port, target->api_key, headers, strlen(body), body);
    assert(length > 0 && (size_t)length < sizeof request->bytes);
    request->length = (size_t)length;
}

/* The digits in the name of a seeded customer (bench/seed.py). */
static unsigned seeded_number(uint64_t row)
{
    return NUMBER_MIN + (unsigned)(mix64(row) >> 41);
}

void request_update_customer(struct request *request, const struct target *target, uint64_t row,
                             uint64_t random)
{
    char id[CUSTOMER_ID_BYTES + 1] = "", route[64], body[64];
    customer_id(id, row);
    snprintf(route, sizeof route, "PUT /v1/customers/%s", id);
    snprintf(body, sizeof body, "{\"name\":\"Southwind Traders %u-%08x\"}", seeded_number(row),
             (unsigned)(random >> 32));
    token_set(request, id, CUSTOMER_ID_BYTES);
    request_json(request, target, route, "", body);
}

void request_list_customers(struct request *request, const struct target *target, unsigned limit,
                            uint64_t offset)
{
    static const char token[] = "\"pagination\":{\"total\":";
    char body[64];
    snprintf(body, sizeof body, "{\"limit\":%u,\"offset\":%" PRIu64 "}", limit, offset);
    token_set(request, token, sizeof token - 1);
    request_json(request, target, "POST /v1/customers/search", "", body);
}

void request_search_customers(struct request *request, const struct target *target, uint64_t row,
                              unsigned digits)
{
    char text[16], body[192];
    int length = snprintf(text, sizeof text, "%u", seeded_number(row));
    const char *needle = text + (digits < (unsigned)length ? (unsigned)length - digits : 0);
    snprintf(body, sizeof body,
             "{\"filters\":[{\"field\":\"name\",\"operator\":\"contains\",\"data_type\":\"string\","
             "\"value\":{\"string\":\"%s\"}}]}",
             needle);
    token_set(request, needle, strlen(needle));
    request_json(request, target, "POST /v1/customers/search", "", body);
}

/* A company's record as an integrator would send it: about 400 bytes, most fields given. */
static int create_body(char *out, size_t size, const char *external_id, uint64_t random)
{
    static const char *const cities[][5] = {
        {"221 Market Street", "San Francisco", "CA", "94103", "US"},
        {"Torstraße 140", "Berlin", "BE", "10119", "DE"},
        {"14 MG Road", "Bengaluru", "KA", "560001", "IN"},
        {"8 Rue de Rivoli", "Paris", "IDF", "75004", "FR"},
    };
    static const char *const zones[] = {"America/Los_Angeles", "Europe/Berlin", "Asia/Kolkata",
                                        "Europe/Paris"};
    unsigned place = random & 3;
    unsigned number = NUMBER_MIN + (unsigned)(random >> 41);
    return snprintf(out, size,
                    "{\"external_id\":\"%s\",\"name\":\"Northwind Traders %u\","
                    "\"email\":\"billing+%u@northwind.example.com\",\"contact\":\"+49 30 %u\","
                    "\"address_line1\":\"%s\",\"address_line2\":\"Floor %u\",\"address_city\":\"%s\","
                    "\"address_state\":\"%s\",\"address_postal_code\":\"%s\",\"address_country\":\"%s\","
                    "\"timezone\":\"%s\",\"metadata\":{\"plan\":\"growth\",\"crm_id\":\"00%u\","
                    "\"segment\":\"mid-market\"}}",
                    external_id, number, number, number, cities[place][0], 10 + number % 30, cities[place][1],
                    cities[place][2], cities[place][3], cities[place][4], zones[place], number);
}

void request_create_customer(struct request *request, const struct target *target, uint64_t number, bool once)
{
    uint64_t random = mix64(number);
    char external_id[EXTERNAL_ID_BYTES + 1];
    snprintf(external_id, sizeof external_id, "acct_%016" PRIx64, random);
    token_set(request, external_id, EXTERNAL_ID_BYTES);
    char key[IDEMPOTENCY_KEY_BYTES_MAX] = "";
    if (once)
        snprintf(key, sizeof key, "Idempotency-Key: %016" PRIx64 "%016" PRIx64 "\r\n", mix64(random), random);
    char body[REQUEST_BYTES_MAX / 2];
    int body_length = create_body(body, sizeof body, external_id, random);
    assert(body_length > 0 && (size_t)body_length < sizeof body);
    request_json(request, target, "POST /v1/customers", key, body);
}
