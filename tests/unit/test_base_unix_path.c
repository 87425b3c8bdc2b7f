/* Unix sockets at paths of any length. */
#include "cmocka_all.h"

#include "base/unix_path.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LONG_NAME_LENGTH = 200 };

static char folder[64], deep_folder[64 + LONG_NAME_LENGTH + 2];

static int make_folders(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/farthing-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(deep_folder, sizeof deep_folder, "%s/%0*d", folder, LONG_NAME_LENGTH, 0);
    return mkdir(deep_folder, 0700);
}

static int remove_folders(void **state)
{
    (void)state;
    rmdir(deep_folder);
    return rmdir(folder);
}

static bool try(const char *path, int (*call)(int, const struct sockaddr *, socklen_t), int descriptor)
{
    struct unix_path opened;

    assert_true(unix_path_open(text_from_string(path), &opened));
    bool is_done = call(descriptor, (const struct sockaddr *)&opened.address, sizeof opened.address) == 0;

    unix_path_close(&opened);
    return is_done;
}

static int connect_plain(int descriptor, const struct sockaddr *address, socklen_t length)
{
    return connect(descriptor, address, length);
}

static int bind_plain(int descriptor, const struct sockaddr *address, socklen_t length)
{
    return bind(descriptor, address, length);
}

static void serves_and_connects_at(const char *path)
{
    int listener = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);

    assert_true(try(path, bind_plain, listener));
    assert_int_equal(listen(listener, 1), 0);
    assert_true(try(path, connect_plain, client));
    assert_int_equal(unlink(path), 0); /* it is where it was said to be */
    close(client);
    close(listener);
}

static void test_paths_that_fit_and_paths_that_do_not(void **state)
{
    char path[PATH_MAX], here[PATH_MAX];

    (void)state;
    snprintf(path, sizeof path, "%s/socket", folder);
    serves_and_connects_at(path);
    snprintf(path, sizeof path, "%s/socket", deep_folder);
    serves_and_connects_at(path);
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(folder), 0);
    serves_and_connects_at("socket");
    serves_and_connects_at(path + strlen(folder) + 1);
    assert_int_equal(chdir(here), 0);
}

static void refuses(const char *path, int error)
{
    struct unix_path opened;

    errno = 0;
    assert_false(unix_path_open(text_from_string(path), &opened));
    assert_int_equal(errno, error);
    assert_int_equal(opened.directory, -1);
}

static void test_what_cannot_be_a_socket_s_path(void **state)
{
    char path[2 * PATH_MAX];

    (void)state;
    refuses("", ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/%0*d", folder, LONG_NAME_LENGTH, 0);
    refuses(path, ENAMETOOLONG); /* the name itself */
    snprintf(path, sizeof path, "%0*d", LONG_NAME_LENGTH, 0);
    refuses(path, ENAMETOOLONG);
    snprintf(path, sizeof path, "%s/%0*d/socket", folder, LONG_NAME_LENGTH + 1, 0);
    refuses(path, ENOENT);
    snprintf(path, sizeof path, "%0*d", PATH_MAX, 0);
    refuses(path, ENAMETOOLONG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_that_fit_and_paths_that_do_not),
        cmocka_unit_test(test_what_cannot_be_a_socket_s_path),
    };

    return cmocka_run_group_tests(tests, make_folders, remove_folders);
}
