/* libpq.h: PostgreSQL's client library, loaded when it is used: whoever runs on the embedded database neither
 * needs it nor pays for it. Only for the driver. */
#ifndef FARTHING_STORE_POSTGRES_LIBPQ_H
#define FARTHING_STORE_POSTGRES_LIBPQ_H

#include "base/arena.h"

#include <libpq-fe.h>

#define LIBPQ_FUNCTIONS(FUNCTION)                                                                            \
    FUNCTION(PQbackendPID)                                                                                   \
    FUNCTION(PQcancel)                                                                                       \
    FUNCTION(PQclear)                                                                                        \
    FUNCTION(PQcmdTuples)                                                                                    \
    FUNCTION(PQconnectPoll)                                                                                  \
    FUNCTION(PQconnectStartParams)                                                                           \
    FUNCTION(PQconninfoFree)                                                                                 \
    FUNCTION(PQconninfoParse)                                                                                \
    FUNCTION(PQconsumeInput)                                                                                 \
    FUNCTION(PQdb)                                                                                           \
    FUNCTION(PQenterPipelineMode)                                                                            \
    FUNCTION(PQerrorMessage)                                                                                 \
    FUNCTION(PQexec)                                                                                         \
    FUNCTION(PQexitPipelineMode)                                                                             \
    FUNCTION(PQfinish)                                                                                       \
    FUNCTION(PQflush)                                                                                        \
    FUNCTION(PQfreeCancel)                                                                                   \
    FUNCTION(PQfreemem)                                                                                      \
    FUNCTION(PQftype)                                                                                        \
    FUNCTION(PQgetCancel)                                                                                    \
    FUNCTION(PQgetResult)                                                                                    \
    FUNCTION(PQgetisnull)                                                                                    \
    FUNCTION(PQgetlength)                                                                                    \
    FUNCTION(PQgetvalue)                                                                                     \
    FUNCTION(PQhost)                                                                                         \
    FUNCTION(PQisBusy)                                                                                       \
    FUNCTION(PQlibVersion)                                                                                   \
    FUNCTION(PQnotifies)                                                                                     \
    FUNCTION(PQntuples)                                                                                      \
    FUNCTION(PQparameterStatus)                                                                              \
    FUNCTION(PQpipelineSync)                                                                                 \
    FUNCTION(PQport)                                                                                         \
    FUNCTION(PQputCopyData)                                                                                  \
    FUNCTION(PQputCopyEnd)                                                                                   \
    FUNCTION(PQreset)                                                                                        \
    FUNCTION(PQresultErrorField)                                                                             \
    FUNCTION(PQresultStatus)                                                                                 \
    FUNCTION(PQsendFlushRequest)                                                                             \
    FUNCTION(PQsendPrepare)                                                                                  \
    FUNCTION(PQsendQuery)                                                                                    \
    FUNCTION(PQsendQueryParams)                                                                              \
    FUNCTION(PQsendQueryPrepared)                                                                            \
    FUNCTION(PQserverVersion)                                                                                \
    FUNCTION(PQsetNoticeProcessor)                                                                           \
    FUNCTION(PQsetnonblocking)                                                                               \
    FUNCTION(PQsocket)                                                                                       \
    FUNCTION(PQstatus)                                                                                       \
    FUNCTION(PQtransactionStatus)                                                                            \
    FUNCTION(PQuser)

/* Called as libpq.PQstatus(handle). */
extern struct libpq {
#define LIBPQ_MEMBER(name) __typeof__ (&(name))(name);
    LIBPQ_FUNCTIONS(LIBPQ_MEMBER)
#undef LIBPQ_MEMBER
} libpq;

/* Loads the library, once. False with a one-line reason: how to get it. */
bool libpq_load(struct arena *arena, struct text *reason);

#endif
