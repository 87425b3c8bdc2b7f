/* migration.h: the numbered changes of the schema, embedded from migrations/. Only for the store and its
 * tests. */
#ifndef FARTHING_STORE_MIGRATION_H
#define FARTHING_STORE_MIGRATION_H

struct migration {
    const char *name;  /* "0001_initial" */
    int oldest_reader; /* the oldest version that a program must know to work with what this leaves */
    const char *sql;
};

/* Migration N is at index N - 1; a database's version is the number of the last one applied. */
extern const struct migration sqlite_migrations[];
extern const int sqlite_migration_count;
extern const struct migration postgres_migrations[];
extern const int postgres_migration_count;

#endif
